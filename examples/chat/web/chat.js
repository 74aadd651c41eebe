// The page of the chat example: the official client, and the page's own few elements. Everything users write enters the page
// through textContent.
import { io } from "./client/socket.io.esm.min.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

// The path can be chosen by ?path=, for a server that is mounted elsewhere.
const socket = io({ autoConnect: false, path: query.get("path") ?? "/socket.io/", auth: (give) => give({ name: state.name }) });

const state = {
  name: "",
  room: "",
  rooms: ["lobby", "music", "random"],
  members: new Map(), // id -> name, in this room
  typing: new Map(), // id -> timer that forgets it
};

const answerWithin = 5000;
const typingLasts = 3000;

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function face(name) {
  const e = element("span", "face", [...name][0]?.toUpperCase() ?? "?");
  let hue = 0;
  for (const c of name) hue = (hue * 31 + c.codePointAt(0)) % 360;
  e.style.setProperty("--hue", hue);
  e.ariaHidden = "true";
  return e;
}

function append(item) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(item);
  while (log.childElementCount > 500) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function notice(text, isError = false) {
  append(element("li", isError ? "notice error" : "notice", text));
}

function showMessage(m) {
  const item = element("li", m.from.id === socket.id ? "message mine" : "message");
  const from = element("span", "from", m.from.name);
  const at = new Date(m.at);
  const time = element("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = at.toISOString();
  from.append(time);
  item.append(face(m.from.name), from, element("span", "text", m.text));
  append(item);
}

function showRooms() {
  $("room-name").textContent = state.room;
  document.title = `#${state.room} - Tandem chat`;
  $("rooms").replaceChildren(...state.rooms.map((room) => {
    const item = element("li");
    const button = element("button", "", room);
    button.type = "button";
    button.ariaCurrent = String(room === state.room);
    button.addEventListener("click", () => enter(room));
    item.append(button);
    return item;
  }));
}

function showMembers() {
  $("count").textContent = state.members.size;
  const sorted = [...state.members].sort(([, a], [, b]) => a.localeCompare(b));
  $("members").replaceChildren(...sorted.map(([id, name]) => {
    const item = element("li");
    item.append(face(name), element("span", "", id === socket.id ? `${name} (you)` : name));
    return item;
  }));
}

function showTyping() {
  const names = [...state.typing.keys()].map((id) => state.members.get(id)).filter(Boolean);
  $("typing").textContent = names.length === 0 ? "" : `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing...`;
}

function showState(name, detail = name) {
  $("state").dataset.state = name;
  $("state").textContent = detail;
  $("composer").querySelector("button").disabled = name !== "connected";
}

function forgetTyping(id) {
  clearTimeout(state.typing.get(id));
  state.typing.delete(id);
  showTyping();
}

async function ask(event, ...args) {
  const answer = await socket.timeout(answerWithin).emitWithAck(event, ...args);
  if (answer?.error) throw new Error(answer.error.message);
  return answer;
}

/** enter joins a room; the server takes the socket out of the one before. */
async function enter(room) {
  try {
    const { members, history } = await ask("join", room);
    state.room = room;
    if (!state.rooms.includes(room)) state.rooms.push(room);
    state.members = new Map(members.map((m) => [m.id, m.name]));
    for (const id of [...state.typing.keys()]) forgetTyping(id);
    $("log").replaceChildren();
    history.forEach(showMessage);
    notice(`You are in #${room}.`);
    showRooms();
    showMembers();
    $("log").scrollTop = $("log").scrollHeight;
    remember(room);
    $("text").focus();
  } catch (err) {
    notice(`Could not enter #${room}: ${err.message}`, true);
  }
}

function remember(room) {
  query.set("room", room);
  history.replaceState(null, "", `?${query}`);
}

async function send(text) {
  try {
    await ask("message", text);
  } catch (err) {
    notice(`Not sent: ${err.message}`, true);
    if (!$("text").value) $("text").value = text;
  }
}

let told = 0; // when the server was last told that this user is typing
function tellTyping() {
  const now = Date.now();
  if (now - told < typingLasts / 2) return;
  told = now;
  socket.volatile.emit("typing");
}

socket.on("connect", () => {
  $("welcome").hidden = true;
  $("chat").hidden = false;
  showState("connected");
  enter(state.room);
});
socket.on("disconnect", (reason) => {
  showState("disconnected", socket.active ? "reconnecting" : reason);
});
socket.on("connect_error", (err) => {
  showState("disconnected", socket.active ? "reconnecting" : err.message);
  if (!socket.active) $("refusal").textContent = err.message;
});

socket.on("message", (m) => {
  forgetTyping(m.from.id);
  showMessage(m);
});
socket.on("joined", (member) => {
  state.members.set(member.id, member.name);
  notice(`${member.name} joined`);
  showMembers();
});
socket.on("left", (member) => {
  state.members.delete(member.id);
  forgetTyping(member.id);
  notice(`${member.name} left`);
  showMembers();
});
socket.on("typing", (member) => {
  clearTimeout(state.typing.get(member.id));
  state.typing.set(member.id, setTimeout(forgetTyping, typingLasts, member.id));
  showTyping();
});

$("enter").addEventListener("submit", (e) => {
  e.preventDefault();
  state.name = $("name").value.trim();
  state.room = $("first-room").value.trim();
  $("refusal").textContent = "";
  socket.connect();
});
$("other-room").addEventListener("submit", (e) => {
  e.preventDefault();
  enter($("room-input").value.trim());
  e.target.reset();
});
$("composer").addEventListener("submit", (e) => {
  e.preventDefault();
  const text = $("text").value.trim();
  if (!text || !socket.connected) return;
  $("text").value = "";
  told = 0;
  send(text);
});
$("text").addEventListener("input", tellTyping);

$("first-room").value = query.get("room") ?? "lobby";
$("name").value = query.get("name") ?? "";
$("name").focus();
