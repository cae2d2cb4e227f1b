/** A new ticket that somebody began to write, kept on this machine per contact until it is created or discarded. */
import type { TicketView } from "@/api/types.ts";
import { drafts } from "@/live/drafts.ts";
import { PRIORITIES } from "./tickets.ts";

export interface TicketDraft {
  subject: string;
  description: string;
  priority: TicketView["priority"];
}

export function readTicketDraft(interactionId: string): TicketDraft | null {
  const text = drafts.read(placeOf(interactionId));
  if (text === "") return null;
  try {
    const { subject, description, priority } = JSON.parse(text) as Record<string, unknown>;
    if (typeof subject !== "string" || typeof description !== "string") return null;
    return { subject, description, priority: PRIORITIES.find((known) => known === priority) ?? "normal" };
  } catch {
    return null;
  }
}

export function hasTicketDraft(interactionId: string): boolean {
  return readTicketDraft(interactionId) !== null;
}

export function writeTicketDraft(interactionId: string, draft: TicketDraft): void {
  drafts.write(placeOf(interactionId), JSON.stringify(draft));
}

export function dropTicketDraft(interactionId: string): void {
  drafts.write(placeOf(interactionId), "");
}

function placeOf(interactionId: string): string {
  return `${interactionId}.new_ticket`;
}
