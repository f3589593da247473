// The spaces of the realm, and, where one is named in the address (#/spaces/bank), that one.

import { useState } from "preact/hooks";

import { call, state, useJoin } from "../../connection.js";
import { identity, isAlone } from "../../identity.js";
import { go, href, route } from "../../route.js";
import { Button, Field, number, Page, Problem, Table } from "../../ui/index.js";
import { keptSpaces } from "./kept_spaces.js";
import { Space } from "./space.jsx";

export function Spaces() {
  const [name] = route.value.rest;
  return name ? <Space key={name} name={name} /> : <List />;
}

const COLUMNS = [
  { name: "name", title: "Space", width: "minmax(9rem, 2fr)", cell: ({ name }) => <a href={href("spaces", [name])}>{name}</a> },
  { name: "state", title: "State", width: "7rem" },
  { name: "version", title: "Version", align: "end", width: "minmax(5rem, 8rem)", cell: ({ version }) => number(version) },
  { name: "log", title: "Log", width: "6rem", hideBelow: 560 },
  { name: "made", title: "Made", width: "11rem", hideBelow: 700, cell: ({ made }) => (made === undefined ? "" : made ? "while running" : "by the realm's file") },
  { name: "isKept", title: "This device", width: "8rem", hideBelow: 480, cell: ({ isKept }) => (isKept ? "keeps it" : "") },
];

function List() {
  const [spaces, setSpaces] = useState([]);
  const [error, setError] = useState(null);
  const [name, setName] = useState("");
  const read = () => call("dstm.list").then(({ args }) => { setSpaces(args[0]); setError(null); }, setError);
  useJoin(() => {
    read();
    const timer = setInterval(read, 5_000);
    return () => clearInterval(timer);
  });
  const kept = keptSpaces().filter(({ realm, authid }) => realm === identity.value?.realm && authid === identity.value?.authid).map(({ space }) => space);
  const known = isAlone.value ? [] : spaces.map((space) => ({ ...space, isKept: kept.includes(space.name) }));
  const others = kept.filter((space) => !known.some((it) => it.name === space)).map((space) => ({ name: space, state: "", isKept: true }));
  const isWrong = name !== "" && !/^[A-Za-z0-9_-]+$/.test(name);
  const open = (event) => {
    event.preventDefault();
    if (name && !isWrong) go("spaces", [name]);
  };
  return (
    <Page title="Spaces" about="Objects that all clients of the realm share, and change in transactions alone." fill tools={(
      <form class="tools" onSubmit={open}>
        <Field label="Open by name" value={name} onInput={setName} class="filter" error={isWrong ? "Letters, digits, _ and -" : undefined} />
        <Button type="submit" disabled={!name || isWrong}>Open</Button>
      </form>
    )}>
      {state.value === "joined" && <Problem what="the list of spaces" error={error} />}
      <Table label="Spaces" rows={[...known, ...others]} columns={COLUMNS} rowKey={(row) => row.name} sort={{ name: "name" }}
        onSelect={(row) => go("spaces", [row.name])} empty={error ? "A space that the role may use opens by its name." : "No spaces: a realm's file makes them under extensions, dstm, spaces."} />
    </Page>
  );
}
