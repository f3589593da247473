// The console: starts the page.

import "./style/base.css";
import "./style/shell.css";
import "./style/pieces.css";

import { render } from "preact";

import { Shell } from "./shell.jsx";
import { resume } from "./login.jsx";

const root = document.getElementById("console");
root.textContent = "";
render(<Shell />, root);
resume();
// Browsers have it over https and on the machine itself; elsewhere the page needs the router each time.
navigator.serviceWorker?.register("worker.js").catch(() => {});
