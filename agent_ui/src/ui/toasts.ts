/** Short messages at the edge of the screen, for what has no other place. */
import { defineStore } from "pinia";
import { ref } from "vue";

export interface ToastMessage {
  id: number;
  tone: "plain" | "urgent";
  title: string;
  text: string | null;
}

const SHOWN_AT_ONCE = 3;

export const useToasts = defineStore("toasts", () => {
  const messages = ref<ToastMessage[]>([]);
  let last = 0;

  function show(title: string, text: string | null = null, tone: ToastMessage["tone"] = "plain"): void {
    last += 1;
    messages.value = [...messages.value, { id: last, tone, title, text }].slice(-SHOWN_AT_ONCE);
  }

  function close(id: number): void {
    messages.value = messages.value.filter((message) => message.id !== id);
  }

  return { messages, show, close };
});
