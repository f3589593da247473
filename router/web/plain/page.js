// Join a realm of this router and show what it answers: a first check for an operator.
"use strict";

const HELLO = 1, WELCOME = 2, ABORT = 3, CHALLENGE = 4, GOODBYE = 6;
const answer = document.getElementById("answer");
let url;

fetch("websocket.json").then((response) => response.json()).then(({ path }) => {
  url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
  document.getElementById("url").textContent = url;
});

function describe([code, ...rest]) {
  switch (code) {
    case WELCOME:
      return `Joined: session ${rest[0]}, role ${rest[1].authrole}, ${rest[1].agent}`;
    case ABORT:
      return `Refused: ${rest[1]}\n${rest[0].message ?? ""}`;
    case CHALLENGE:
      return `The realm asks for authentication: ${rest[0]}`;
    default:
      return `Unexpected answer: message ${code}`;
  }
}

document.getElementById("probe").addEventListener("submit", (event) => {
  event.preventDefault();
  answer.textContent = "Connecting …";
  const socket = new WebSocket(url, ["wamp.2.json"]);
  const realm = document.getElementById("realm").value;
  socket.onopen = () => socket.send(JSON.stringify([HELLO, realm, { roles: { caller: {} } }]));
  socket.onerror = () => { answer.textContent = "No WebSocket connection."; };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message[0] !== GOODBYE) answer.textContent = describe(message);
    if (message[0] === WELCOME) socket.send(JSON.stringify([GOODBYE, {}, "wamp.close.close_realm"]));
    else socket.close();
  };
});
