import "@fontsource-variable/inter";
import { createApp } from "vue";
import "@/ui/tokens.css";
import "@/ui/base.css";
import Simulator from "./Simulator.vue";

createApp(Simulator).mount("#app");
