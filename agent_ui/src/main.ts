import "@fontsource-variable/inter/wght.css";
import "@/ui/tokens.css";
import "@/ui/base.css";
import { createPinia } from "pinia";
import { createApp } from "vue";
import { createRouter, createWebHistory } from "vue-router";
import App from "@/App.vue";
import Console from "@/console/Console.vue";

const router = createRouter({
  history: createWebHistory(),
  routes: [
    // In the first load, as the card of an offer must be painted without asking for anything more.
    {
      path: "/",
      component: Console,
      // Pages beside the work list: the console, its socket and its state stay as they are behind them.
      children: [
        { path: "tickets", component: () => import("@/pages/TicketListPage.vue") },
        { path: "tickets/:id", component: () => import("@/pages/TicketPage.vue"), props: true },
        { path: ":rest(.*)+", component: () => import("@/pages/NoSuchPage.vue") },
        { path: "customers/:id", component: () => import("@/pages/CustomerPage.vue"), props: true },
      ],
    },
    { path: "/supervisor", component: () => import("@/supervisor/Supervisor.vue") },
    { path: "/wallboard", component: () => import("@/wallboard/Wallboard.vue") },
  ],
});

createApp(App).use(createPinia()).use(router).mount("#app");
