/** For tools that do not read .vue files themselves, such as ESLint; vue-tsc takes the files' own types. */
declare module "*.vue" {
  import type { DefineComponent } from "vue";
  const component: DefineComponent;
  export default component;
}
