// The keys: what the whole console knows, and what the view that was open adds.

import { shortcuts } from "../shortcuts.js";
import { Page, Panel } from "../ui/index.js";
import { views } from "./index.js";

const TABLE_KEYS = [
  [["↑", "↓"], "Move in a table that has the focus"],
  [["PgUp", "PgDn"], "Move by a page"],
  [["Home", "End"], "First and last row"],
  [["Enter"], "Show the row"],
  [["Esc"], "Close what is open"],
];

export function Shortcuts() {
  const everywhere = [...shortcuts.value].map(([key, { title }]) => [[key], title]);
  const going = views.filter(({ key }) => key).map(({ key, title }) => [["g", key], title]);
  return (
    <Page title="Keyboard" about="Tab and Shift+Tab reach everything; these are faster.">
      <div class="panels">
        <Panel title="Go to"><Keys keys={going} /></Panel>
        <Panel title="Everywhere"><Keys keys={everywhere} /></Panel>
        <Panel title="Tables and lists"><Keys keys={TABLE_KEYS} /></Panel>
      </div>
    </Page>
  );
}

function Keys({ keys }) {
  return (
    <dl class="keys">
      {keys.flatMap(([pressed, title]) => [
        <dt key={`${title}-keys`}>{pressed.map((key) => <kbd key={key}>{key}</kbd>)}</dt>,
        <dd key={title}>{title}</dd>,
      ])}
    </dl>
  );
}
