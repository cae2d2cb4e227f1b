/** What the three configurations have in common: the console's, the widget's and the tests'. */
import { fileURLToPath } from "node:url";

export const alias = { "@": fileURLToPath(new URL("./src", import.meta.url)) };

/** The browsers that we promise: two years old at most. */
export const target = ["chrome120", "edge120", "firefox121", "safari17.2"];
