// Explorers and questions in the browser. Beside a kernel the module asks it for pictures; in a page without
// one it finds them there. First the logic, which knows no document and is tested by node; then what is seen.

const LIMIT = 64 * 2 ** 20; // bytes of pictures and numbers that are kept
const PATIENCE = 4000; // milliseconds without an answer until the reader is told
const REMEMBERED = "convlab: "; // begins what a page keeps in the browser
const AHEAD = 4; // pictures that a page decodes before they are asked for
const KEPT = ["chosen", "predicted"]; // what of a reader it keeps
const REST = 100; // times as long as the kernel waited for a processor, nothing is asked ahead
const CROWDED = 0.02; // seconds that it waits at least: some clocks tick no finer
const PACE = 700; // milliseconds that a step takes when a slider plays

// ---- what was seen, and what is asked for ---------------------------------------------------------------

/** Frames by key, up to `limit` bytes: what was looked at longest ago goes first. */
export class Store {
  constructor(limit = LIMIT) {
    this.limit = limit;
    this.bytes = 0;
    this.kept = new Map();
  }

  get(key) {
    const frame = this.kept.get(key);
    if (frame) {
      this.kept.delete(key);
      this.kept.set(key, frame);
    }
    return frame;
  }

  put(key, frame) {
    this.drop(key);
    this.kept.set(key, frame);
    this.bytes += frame.bytes;
    for (const oldest of this.kept.keys()) {
      if (this.bytes <= this.limit || oldest === key) break;
      this.drop(oldest);
    }
  }

  drop(key) {
    const frame = this.kept.get(key);
    if (!frame) return;
    this.kept.delete(key);
    this.bytes -= frame.bytes;
    frame.drop?.();
  }
}

/** Whose question the kernel is answering: one at a time for all explorers, so no cell waits for two. */
export class Turn {
  constructor(patience = PATIENCE) {
    this.patience = patience;
    this.all = new Set();
    this.asking = null;
    this.moves = 0;
    this.rests = 0;
  }

  next() {
    if (this.asking) return;
    const ready = [...this.all].filter((frames) => !frames.lost).sort((a, b) => b.moved - a.moved);
    const asker = ready.find((frames) => frames.isMissing())
      ?? ready.find((frames) => !this.rests && frames.ahead());
    if (!asker) return;
    this.asking = asker;
    this.timer = setTimeout(() => this.lose(asker), this.patience);
    asker.isBehind = asker.isMissing(); // what is asked is wanted now, not ahead
    asker.asked = asker.isBehind ? asker.at : asker.ahead();
    try {
      asker.ask(asker.asked);
    } catch { // there is no kernel
      this.lose(asker);
    }
  }

  /** The kernel waited so many seconds for a processor, which others need: for a while nothing is asked ahead. */
  rest(waited) {
    this.rests += 1;
    setTimeout(() => {
      this.rests -= 1;
      this.next();
    }, 1000 * REST * waited);
  }

  lose(asker) {
    asker.lost = true;
    for (const frames of this.all) if (frames.isMissing()) frames.late(); // all who wait are told at once
    this.done(asker);
  }

  done(asker) {
    if (this.asking !== asker) return;
    clearTimeout(this.timer);
    this.asking = null;
    this.next();
  }
}

/**
 * The pictures of one explorer: which it shows, has, and lacks.
 *
 * `ask(at)` puts a question to the kernel, `show(frame)` shows a picture, `late()` tells that no answer came.
 * `counts` holds for each control how many options it has, negative where any of them may come next, not only
 * the one beside.
 */
export class Frames {
  constructor({ counts, ask, show, late, store, turn, name }) {
    Object.assign(this, { counts, ask, show, late, store, turn, name });
    this.at = null;
    this.last = null; // the control that was moved last, and in which direction
    this.moved = 0;
    this.visible = false;
    this.lost = false;
    this.failed = new Set();
    turn.all.add(this);
  }

  key(at) {
    return `${this.name} ${JSON.stringify(at)}`;
  }

  move(at) {
    if (this.at) {
      const control = at.findIndex((place, n) => JSON.stringify(place) !== JSON.stringify(this.at[n]));
      if (control >= 0) this.last = { control, by: Math.sign(at[control] - this.at[control]) || 1 };
    }
    this.at = at;
    this.moved = (this.turn.moves += 1);
    this.failed.delete(this.key(at));
    const frame = this.store.get(this.key(at));
    if (frame) this.show(frame);
    this.turn.next();
  }

  lacks(at) {
    return this.visible && at && !this.store.kept.has(this.key(at)) && !this.failed.has(this.key(at));
  }

  isMissing() {
    return Boolean(this.lacks(this.at));
  }

  /** The nearest state that is not there yet, or undefined. */
  ahead() {
    return this.at ? neighbours(this.at, this.counts, this.last).find((at) => this.lacks(at)) : undefined;
  }

  /** A frame has come, or an error in its place. */
  answer(at, frame) {
    this.lost = false;
    const key = this.key(at ?? this.asked);
    if (frame.error) this.failed.add(key);
    else this.store.put(key, frame);
    if (frame.waited > CROWDED) this.turn.rest(frame.waited);
    // In a drag the hand is further on already, and would otherwise see nothing until it rests.
    if (key === this.key(this.at) || (this.isBehind && this.isMissing() && !frame.error)) this.show(frame);
    this.turn.done(this);
    this.turn.next();
  }

  /** Asks for the present state once more: whether there is still a kernel. */
  check() {
    this.store.drop(this.key(this.at));
    this.lost = false;
    this.move(this.at);
  }

  forget() {
    const own = [...this.store.kept.keys()].filter((key) => key.startsWith(`${this.name} `));
    own.forEach((key) => this.store.drop(key));
    this.failed.clear();
    this.lost = false;
  }

  close() {
    this.forget();
    this.turn.all.delete(this);
    this.turn.done(this);
  }
}

/** The states round `at`, nearest first: on along the way of travel, then one step of every control. */
export function neighbours(at, counts, last = null) {
  const to = (control, place) => at.map((here, n) => (n === control ? place : here));
  const found = [];
  const offer = (control, place) => {
    const count = Math.abs(counts[control]);
    if (Number.isInteger(place) && place >= 0 && place < count && place !== at[control]) {
      found.push(to(control, place));
    }
  };
  if (last) for (const step of [1, 2, 3, -1]) offer(last.control, at[last.control] + step * last.by);
  counts.forEach((count, control) => {
    if (count > 0) for (const step of [1, -1]) offer(control, at[control] + step);
    else for (let place = 0; place < -count; place += 1) offer(control, place);
  });
  const keys = found.map((each) => JSON.stringify(each));
  return found.filter((_, n) => keys.indexOf(keys[n]) === n);
}

// ---- where a picture is touched, in fractions of it ------------------------------------------------------

export const isIn = ([left, top, width, height], x, y) =>
  x >= left && x <= left + width && y >= top && y <= top + height;

export const isTouchable = (spot) => Boolean(spot.x || spot.y || spot.sets);

const isReadable = (spot) => Boolean(spot.grid || spot.texts || spot.bars);

/** The place among `places` that is nearest to `x`. */
export function nearest(places, x) {
  let best = 0;
  places.forEach((place, n) => {
    if (Math.abs(place - x) < Math.abs(places[best] - x)) best = n;
  });
  return best;
}

/** Where the controls stand after a touch at (x, y). */
export function touched(at, spot, x, y) {
  const moved = [...at];
  for (const [control, place] of spot.sets ?? []) moved[control] = place;
  if (spot.x) moved[spot.x.control] = nearest(spot.x.at, x);
  if (spot.y) moved[spot.y.control] = nearest(spot.y.at, y);
  return moved;
}

function sizeOf({ texts, grid }) {
  return texts ? [texts.length, texts[0].length] : grid?.shape ?? [0, 0];
}

/** Row and column at (x, y) in the spot, or null where it has none. */
export function cellAt(spot, x, y) {
  const [rows, columns] = sizeOf(spot);
  const box = spot.grid?.box ?? spot.box;
  if (!rows || !isIn(box, x, y)) return null;
  const [left, top, width, height] = box;
  return [
    Math.min(Math.floor(((y - top) / height) * rows), rows - 1),
    Math.min(Math.floor(((x - left) / width) * columns), columns - 1),
  ];
}

/** Left, top, width and height of a cell. */
export function boxOf(spot, [row, column]) {
  const [rows, columns] = sizeOf(spot);
  const [left, top, width, height] = spot.grid?.box ?? spot.box;
  return [left + (column * width) / columns, top + (row * height) / rows, width / columns, height / rows];
}

const written = (number) => String(Number(number.toPrecision(3))).replace("-", "−");

/** A nought that lies between two levels comes as one of them. */
const nought = (number, step) => (Math.abs(number) < 0.51 * step ? 0 : number);

/** What stands in a cell, in words. */
export function cellText(spot, [row, column], blocks) {
  if (spot.texts) return spot.texts[row][column];
  const { shape, low, step, block } = spot.grid;
  const channels = shape[2];
  const bytes = blocks[block];
  if (!bytes) return ""; // a page has not fetched it yet
  const isByte = bytes.byteLength === shape[0] * shape[1] * channels;
  const values = [];
  for (let channel = 0; channel < channels; channel += 1) {
    const place = (row * shape[1] + column) * channels + channel;
    const level = isByte ? bytes.getUint8(place) : bytes.getUint16(2 * place, true);
    values.push(!isByte && level === 65535 ? "nothing" : written(nought(low + step * level, step)));
  }
  const names = channels === 3 ? ["red ", "green ", "blue "] : [""];
  const said = values.map((value, n) => names[n] + value).join(", ");
  return `${spot.name}, row ${row}, column ${column}: ${said}`;
}

/** What stands at (x, y) in words, or an empty string. */
export function readAt(spot, x, y, blocks) {
  const bar = (spot.bars ?? []).find((each) => isIn(each, x, y));
  if (bar) return bar[4];
  const cell = cellAt(spot, x, y);
  return cell ? cellText(spot, cell, blocks) : "";
}

/** The cell, or the bar, that arrow keys lead to from `cell`; bars are counted in rows. */
export function stepped(spot, cell, key) {
  const [rows, columns] = spot.bars && !spot.grid ? [spot.bars.length, 1] : sizeOf(spot);
  const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (columns === 1) return [(cell[0] + down + right + rows) % rows, 0];
  const within = (place, count) => Math.min(Math.max(place, 0), count - 1);
  return [within(cell[0] + down, rows), within(cell[1] + right, columns)];
}

// ---- answers ---------------------------------------------------------------------------------------------

/** What a reader may type for a number: 1,728 or 1 728, 0.5 or 0,5, −2, 30 %; else NaN. */
export function toNumber(typed) {
  let plain = typed.replace(/[\s_%]/g, "").replace("−", "-");
  if (/^-?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/.test(plain)) plain = plain.replaceAll(",", "");
  plain = plain.replace(",", ".");
  return /^-?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : NaN;
}

/** Whether an answer is right, and what is said to it. */
export function judge({ choices, replies, otherwise }, chosen) {
  let reply = replies[choices.indexOf(chosen)];
  if (otherwise?.values) {
    const number = toNumber(chosen);
    if (Number.isNaN(number)) {
      return { right: false, said: `“${chosen}” is no number: type digits, as in 1728 or 0.5.` };
    }
    const room = (value) => otherwise.tolerance + 1e-9 * Math.abs(value);
    const known = otherwise.values.findIndex((value) => Math.abs(number - value) <= room(value));
    reply = replies[known] ?? { right: false, text: otherwise.text };
  }
  const said = reply.right ? `✓ ${chosen}: ${reply.text}` : `✗ Not ${chosen}. ${reply.text}`;
  return { right: reply.right, said };
}

/** What an answer makes of a drill: the first to each question counts, what is no number does not. */
export function answered({ tried, streak }, question, chosen) {
  const counts = !tried && !(question.otherwise?.values && Number.isNaN(toNumber(chosen)));
  if (!counts) return { chosen };
  return { chosen, tried: true, streak: judge(question, chosen).right ? streak + 1 : 0 };
}

/** What going on makes of it: a question that was not answered ends the streak. */
export const passed = ({ tried, streak, place }) =>
  ({ chosen: "", streak: tried ? streak : 0, tried: false, place: place + 1 });

/** The question that a drill asks; where no more come, those that are there begin again. */
export function askedBy({ banks, level, first, place }) {
  const bank = banks[level - 1];
  return bank[(place - first) % bank.length];
}

/** What is said of a prediction, once the controls stand where it can be seen, and before. */
export function compare({ answer, values }, predicted, at) {
  if (!predicted) return "";
  const isThere = values.every((place, n) => place === null || place === at[n]);
  if (!isThere) return `Kept: ${predicted}. Now move the controls there.`;
  const isRight = Math.abs(toNumber(predicted) - answer) <= 1e-9 * Math.abs(answer);
  const exact = Number.isInteger(answer) ? answer.toLocaleString("en-US").replace("-", "−") : written(answer);
  return `You wrote ${predicted}, it is ${exact}${isRight ? ": right!" : "."}`;
}

/** The numbers that were written into a grid as a place: that of a starting point which has the same. */
export function placeOf(rows, named) {
  const known = named.findIndex((each) => JSON.stringify(each) === JSON.stringify(rows));
  return known >= 0 ? known : rows;
}

// ---- a page without a kernel -----------------------------------------------------------------------------

/**
 * The state nearest to `wanted` of those that a page carries: what was moved from `at` decides first, then
 * the rest. `counts` is as in Frames.
 */
export function closest(carried, wanted, at, counts) {
  const far = (place, n, from) => {
    if (counts[n] > 0) return Math.abs(place - from[n]) / counts[n];
    return place === from[n] ? 0 : 1;
  };
  const cost = (state) => wanted.reduce((sum, place, n) => {
    const weight = place === at[n] ? 1 : 1000;
    return sum + weight * far(state[n], n, wanted);
  }, 0);
  const costs = carried.map(cost);
  return carried[costs.indexOf(Math.min(...costs))];
}

/** What stands in a page's address for the state of a part: #part?dilation=4&padding=same. */
export function addressOf(name, controls, at) {
  const chosen = controls.map((control, n) => [control.name, control.options[at[n]]]);
  return `#${name}?${new URLSearchParams(chosen)}`;
}

/** Where an address moves the controls of a part; null if it is about something else. */
export function stateIn(address, name, controls, at) {
  if (!address.startsWith(`#${name}?`)) return null;
  const chosen = new URLSearchParams(address.slice(name.length + 2));
  return at.map((place, n) => {
    const said = controls[n].options.indexOf(chosen.get(controls[n].name));
    return said < 0 ? place : said;
  });
}

/** What a page lacks that a notebook has, in a line; empty if it lacks nothing. */
export function lackOf({ all, controls, frames }) {
  const count = Object.keys(frames).length;
  const kinds = controls.map(({ kind }) => kind);
  const more = [
    count < all && `all ${all.toLocaleString("en-US")} pictures, of which ${count} are here`,
    kinds.includes("grid") && "numbers of your own",
    kinds.includes("photo") && "photos of your own",
  ].filter(Boolean);
  return more.length ? `Here no Python runs. The notebook also has ${more.join(", and ")}.` : "";
}

// ---- what is seen ----------------------------------------------------------------------------------------

// Each widget has a copy of this module, but a page has one kernel and one memory, and names are used once.
const shared = (globalThis[Symbol.for("convlab")] ??= { store: new Store(), turn: new Turn(), names: 0 });
const newName = () => `convlab-${(shared.names += 1)}`;
const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function make(tag, { parent, ...options } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  parent?.append(element);
  return element;
}

/** Puts an element over a box of the picture, given in fractions of it. */
function lay(element, box) {
  const [left, top, width, height] = box.map((part) => `${100 * part}%`);
  Object.assign(element.style, { left, top, width, height });
}

/** Radio buttons; gives a function that checks the one at a place. */
function radios(parent, options, react) {
  const name = newName();
  const buttons = options.map((option, place) => {
    const button = make("input", { type: "radio", name, value: option });
    make("label", { parent }, button, option);
    button.addEventListener("change", () => react(place));
    return button;
  });
  return (place) => buttons.forEach((button, each) => { button.checked = each === place; });
}

class ExplorerView {
  constructor(model, root) {
    this.model = model;
    this.ends = [];
    this.part = 0; // of the picture: which one arrow keys read
    const label = "Picture. Arrow keys read its numbers, Page Down goes on to its next part, Enter chooses.";
    const keys = { tabIndex: 0, role: "application", "aria-label": label };
    this.stage = make("div", { className: "convlab-stage", ...keys });
    this.image = make("img", { parent: this.stage, alt: "", draggable: false });
    const [width, height] = model.get("_size"); // which keep the place of the first picture until it is there
    Object.assign(this.stage.style, { width: `${width}px`, aspectRatio: `${width} / ${height}` });
    this.mark = make("div", { parent: this.stage, className: "convlab-mark", hidden: true });
    this.row = make("div", { className: "convlab-controls" });
    this.reading = make("p", { className: "convlab-reading", "aria-live": "polite" });
    this.caption = make("figcaption", { className: "convlab-caption" });
    this.status = make("p", { className: "convlab-status", role: "status", hidden: true });
    const figure = make("figure", {}, this.stage, this.reading, this.caption);
    root.append(...this.prediction(), this.row, figure, this.status);
    if (model.lacks) make("p", { className: "convlab-without", textContent: model.lacks, parent: root });
    this.root = root;
    this.frames = this.newFrames();
    this.listen();
    this.build();
  }

  get at() {
    return this.model.get("at");
  }

  get spots() {
    return this.shown?.spots ?? [];
  }

  newFrames() {
    const { model } = this;
    const frames = new Frames({
      ...shared,
      ...(model.store ? { store: model.store, turn: new Turn(), name: "page" } : { name: newName() }),
      counts: [],
      ask: (want) => model.send({ want }),
      show: (frame) => this.show(frame),
      late: () => this.say("The kernel does not answer: it is busy, or it has stopped. What was drawn before "
        + "still shows. When it runs again, run this cell again."),
    });
    const watch = new IntersectionObserver((entries) => {
      frames.visible = entries.some((entry) => entry.isIntersecting);
      frames.turn.next();
      this.prepare();
    }, { rootMargin: "200px" });
    watch.observe(this.root);
    const size = new ResizeObserver(() => this.shown && this.fit()); // a slide is hidden at first
    size.observe(this.root);
    this.ends.push(() => watch.disconnect(), () => size.disconnect(), () => frames.close());
    return frames;
  }

  listen() {
    const on = (event, react) => {
      this.model.on(event, react);
      this.ends.push(() => this.model.off(event, react));
    };
    on("msg:custom", (message, buffers) => this.receive(message, buffers));
    on("change:at", () => this.follow());
    on("change:controls", () => this.build());
    on("change:predicted", () => this.follow());
    on("comm_live_update", () => this.frames.check()); // the kernel restarts, or is gone
    const hand = { pointerdown: "press", pointermove: "point", pointerup: "release", pointerleave: "rest" };
    for (const [event, method] of Object.entries({ ...hand, pointercancel: "release", keydown: "key" })) {
      this.stage.addEventListener(event, (happened) => this[method](happened));
    }
    const readAgain = () => this.pointed && this.read(...this.pointed);
    for (const event of ["pointerenter", "focus"]) {
      this.stage.addEventListener(event, () => this.model.fetch?.(readAgain));
    }
  }

  // -- frames

  receive(message, buffers) {
    if (message.taken) {
      this.frames.forget();
      this.frames.move(this.at);
    } else if (message.error && !message.at) this.say(message.error, true);
    else if (message.error) this.frames.answer(message.at, message);
    else {
      const [picture, ...blocks] = buffers;
      const src = URL.createObjectURL(new Blob([picture], { type: "image/jpeg" }));
      const bytes = buffers.reduce((sum, each) => sum + each.byteLength, 0);
      const drop = () => URL.revokeObjectURL(src);
      this.frames.answer(message.at, { ...message, src, blocks, bytes, drop });
    }
  }

  show(frame) {
    if (frame.error) {
      this.say(frame.error);
      return;
    }
    this.shown = frame;
    Object.assign(this.stage.style, { width: "", aspectRatio: "" });
    this.image.src = frame.src;
    this.image.alt = frame.alt;
    this.image.dataset.at = JSON.stringify(frame.at ?? this.at);
    this.caption.textContent = frame.alt;
    if (!this.isRefused) this.say("");
    this.fit();
    this.place();
    this.prepare();
    if (this.pointed) this.read(...this.pointed);
    else this.rest();
    this.played?.();
  }

  /** On a page, pictures that may come next are decoded ahead of the hand. */
  prepare() {
    const { visible, counts, last } = this.frames;
    if (visible) this.model.prepare?.(neighbours(this.at, counts, last));
  }

  /** All of it shows at once on a laptop, and what stands below never jumps: captions keep their room. */
  fit() {
    const { caption, image, root } = this;
    caption.style.minHeight = `${Math.max(parseFloat(caption.style.minHeight) || 0, caption.offsetHeight)}px`;
    const given = root.closest("[data-convlab-room]")?.dataset.convlabRoom; // on a slide
    const room = (given ?? (screen.height * 640) / 768) - (root.offsetHeight - image.offsetHeight);
    image.style.maxHeight = `${Math.max(240, Math.floor(room))}px`;
  }

  /** Words under the picture; what a reader wrote or gave is refused until they do something else. */
  say(words, isRefused = false) {
    this.isRefused = isRefused;
    this.status.textContent = words;
    this.status.hidden = !words;
  }

  /** Regions over the picture, for the cursor and for fingers that scroll. */
  place() {
    const key = JSON.stringify(this.spots.map(({ box, x, y, sets }) => [box, !x, !y, !sets]));
    if (key === this.placed) return;
    this.placed = key;
    for (const old of this.stage.querySelectorAll(".convlab-spot")) old.remove();
    for (const spot of this.spots.filter(isTouchable)) {
      const region = make("div", { parent: this.stage, className: "convlab-spot" });
      lay(region, spot.box);
      const pans = spot.x && spot.y ? "none" : spot.x ? "pan-y" : spot.y ? "pan-x" : "manipulation";
      region.style.touchAction = pans;
    }
  }

  // -- the hand

  where(event) {
    const { left, top, width, height } = this.image.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  press(event) {
    if (event.button) return;
    this.stop?.();
    const [x, y] = this.where(event);
    const spot = this.spots.find((each) => isTouchable(each) && isIn(each.box, x, y));
    if (spot) {
      this.held = spot;
      this.stage.setPointerCapture(event.pointerId);
      this.choose(touched(this.at, spot, x, y));
      event.preventDefault();
      this.stage.focus({ preventScroll: true });
    }
    this.pointed = [x, y];
    this.read(x, y);
    this.pressed = !this.held;
  }

  point(event) {
    const [x, y] = this.where(event);
    this.pointed = [x, y];
    if (this.held) this.choose(touched(this.at, this.held, x, y));
    this.read(x, y);
  }

  release(event) {
    const isSmall = this.image.clientWidth < 0.6 * this.image.naturalWidth;
    if (this.pressed && isSmall && event.type === "pointerup") this.enlarge();
    this.held = this.pressed = null;
    if (event.pointerType !== "mouse") this.pointed = null;
  }

  choose(wanted) {
    const at = this.model.closest?.(wanted, this.frames.counts) ?? wanted;
    if (JSON.stringify(at) === JSON.stringify(this.at)) return;
    if (this.isRefused) this.say("");
    this.model.set("at", at);
    this.model.save_changes();
  }

  read(x, y) {
    const spot = this.spots.find((each) => isIn(each.box, x, y));
    const text = spot ? readAt(spot, x, y, this.shown.blocks) : "";
    const cell = spot && text && cellAt(spot, x, y);
    this.outline(cell && boxOf(spot, cell));
    this.reading.textContent = text || this.hint();
  }

  rest(event) {
    if (event?.pointerType === "touch") return; // a finger that lifts leaves what it read
    this.pointed = null;
    this.outline(null);
    this.reading.textContent = this.hint();
  }

  /** What can be touched and read here, in a line. */
  hint() {
    const labels = this.model.get("controls").map(({ label }) => label);
    const of = (spot) => [spot.x, spot.y].filter(Boolean).map(({ control }) => labels[control])
      .concat((spot.sets ?? []).map(([control]) => labels[control]));
    const touches = new Set(this.spots.filter(isTouchable).flatMap(of));
    const hand = touches.size ? `Press or drag in the picture to set ${[...touches].join(", ")}. ` : "";
    return hand + (this.spots.some(isReadable) ? "Point at something to read its number." : "");
  }

  outline(box) {
    this.mark.hidden = !box;
    if (box) lay(this.mark, box);
  }

  key(event) {
    const parts = this.spots.filter(isReadable);
    const turn = { PageDown: 1, PageUp: parts.length - 1 }[event.key];
    if (turn && this.cell) this.part += turn;
    const spot = parts[this.part % parts.length];
    if (!spot || !/^(Arrow|Page|Enter)/.test(event.key)) return;
    event.preventDefault();
    if (turn || !this.cell) this.cell = [0, 0];
    else if (event.key !== "Enter") this.cell = stepped(spot, this.cell, event.key);
    const isBars = spot.bars && !spot.grid && !spot.texts;
    const [left, top, width, height] = isBars ? spot.bars[this.cell[0]] : boxOf(spot, this.cell);
    const middle = [left + width / 2, top + height / 2];
    if (event.key === "Enter" && isTouchable(spot)) this.choose(touched(this.at, spot, ...middle));
    this.read(...middle);
  }

  enlarge() {
    const dialog = make("dialog", { className: "convlab-large", parent: this.stage.parentElement });
    const close = make("button", { type: "button", textContent: "Close", parent: dialog });
    make("img", { src: this.image.src, alt: this.image.alt, parent: dialog });
    dialog.addEventListener("close", () => dialog.remove());
    close.addEventListener("click", () => dialog.close());
    dialog.showModal();
  }

  // -- controls

  build() {
    const controls = this.model.get("controls");
    const count = ({ kind, options }) => (kind === "range" ? options.length : -options.length);
    this.frames.counts = controls.map(count);
    this.row.replaceChildren();
    this.updates = controls.map((control, n) => {
      const name = newName();
      const box = make("div", { className: `convlab-control convlab-${control.kind}`, parent: this.row });
      const move = (place) => {
        this.stop?.();
        this.choose(this.at.map((here, each) => (each === n ? place : here)));
      };
      return this[control.kind](control, n, box, name, move);
    });
    this.follow();
  }

  follow() {
    this.updates?.forEach((update, n) => update(this.at[n]));
    this.compared?.();
    if (JSON.stringify(this.frames.at) !== JSON.stringify(this.at)) this.frames.move(this.at);
  }

  range({ label, options }, n, box, id, move) {
    make("label", { htmlFor: id, textContent: label, parent: box });
    const slider = make("input", { id, type: "range", min: 0, max: options.length - 1, parent: box });
    const shown = make("output", { parent: box, htmlFor: id });
    shown.style.minWidth = `${Math.max(...options.map((option) => option.length))}ch`;
    const play = make("button", { type: "button", className: "convlab-play", parent: box });
    const still = () => {
      play.textContent = "▶";
      play.setAttribute("aria-label", `play ${label}`);
    };
    slider.addEventListener("input", () => move(Number(slider.value)));
    play.addEventListener("click", () => {
      if (this.playing === play) this.stop();
      else this.play(n, play, label, still);
    });
    still();
    return (place) => {
      slider.value = place;
      slider.setAttribute("aria-valuetext", options[place]);
      shown.textContent = options[place];
    };
  }

  /** Walks through the options of a slider, each as long as it takes to be seen. */
  play(n, button, label, still) {
    this.stop?.();
    const last = this.model.get("controls")[n].options.length - 1;
    const step = () => {
      const place = this.at[n] < last ? this.at[n] + 1 : 0;
      this.choose(this.at.map((here, each) => (each === n ? place : here)));
      return place < last;
    };
    if (isCalm()) { // one step at each press
      step();
      return;
    }
    this.playing = button;
    button.textContent = "❚❚";
    button.setAttribute("aria-label", `stop ${label}`);
    let timer;
    this.stop = () => {
      clearTimeout(timer);
      this.stop = this.played = this.playing = null;
      still();
    };
    const walk = () => {
      const goesOn = step();
      this.played = () => {
        this.played = null;
        timer = setTimeout(goesOn ? walk : this.stop, PACE);
      };
      if (this.image.dataset.at === JSON.stringify(this.at)) this.played();
    };
    walk();
  }

  radio({ label, options }, n, box, id, move) {
    const group = make("fieldset", { parent: box }, make("legend", { textContent: label }));
    return radios(group, options, move);
  }

  select({ label, options }, n, box, id, move) {
    make("label", { htmlFor: id, textContent: label, parent: box });
    const menu = make("select", { id, parent: box });
    options.forEach((option, place) => make("option", { value: place, textContent: option, parent: menu }));
    menu.addEventListener("change", () => move(Number(menu.value)));
    return (place) => { menu.value = Array.isArray(place) ? "own" : place; };
  }

  grid(control, n, box, id, move) {
    const update = this.select(control, n, box, id, move);
    const own = make("option", { value: "own", textContent: "your own", hidden: true });
    box.querySelector("select").append(own);
    if (this.model.store) return update; // a page says itself that it takes none
    let rows = control.numbers[0];
    const said = { "aria-label": `${control.label}: its numbers, to be typed or dragged up and down` };
    const table = make("div", { className: "convlab-numbers", role: "group", ...said, parent: box });
    table.style.gridTemplateColumns = `repeat(${rows[0].length}, 1fr)`;
    const write = (row, column, value) => {
      if (!(Math.abs(value) <= 4)) return this.say(`${value} can't be a weight here: from −4 to 4.`, true);
      this.say("");
      rows = rows.map((each, r) => each.map((old, c) => (r === row && c === column ? value : old)));
      return move(placeOf(rows, control.numbers));
    };
    const cells = rows.map((each, row) => each.map((_, column) => {
      const label = { "aria-label": `row ${row}, column ${column}` };
      const cell = make("input", { type: "number", min: -4, max: 4, step: 0.25, ...label, parent: table });
      cell.addEventListener("change", () => write(row, column, cell.valueAsNumber));
      drag(cell, () => rows[row][column], (value) => write(row, column, value));
      return cell;
    }));
    return (place) => {
      own.hidden = !Array.isArray(place);
      rows = Array.isArray(place) ? place : control.numbers[place];
      cells.forEach((each, r) => each.forEach((cell, c) => { cell.value = Number(rows[r][c].toFixed(3)); }));
      update(place);
    };
  }

  photo(control, n, box, id, move) {
    const update = this.select(control, n, box, id, move);
    if (this.model.store) return update;
    const file = make("input", { type: "file", accept: "image/*" });
    make("label", { className: "convlab-file", parent: box }, "your own photo", file);
    file.addEventListener("change", async () => {
      const [given] = file.files;
      if (!given) return;
      this.say("");
      this.model.send({ photo: control.name, label: given.name }, undefined, [await shrunk(given)]);
      file.value = "";
    });
    return update;
  }

  prediction() {
    const predict = this.model.get("predict");
    if (!predict?.text) return [];
    const typed = make("input", { type: "text", inputMode: "decimal", size: 8 });
    const said = make("output", {});
    typed.addEventListener("change", () => {
      this.model.set("predicted", typed.value.trim());
      this.model.save_changes();
    });
    this.compared = () => {
      typed.value = this.model.get("predicted") ?? "";
      said.textContent = compare(predict, typed.value, this.at);
    };
    const label = make("label", {}, `${predict.text} `, typed);
    return [make("div", { className: "convlab-predict" }, label, said)];
  }
}

/** A number that follows the pointer up and down, a quarter for every eight pixels. */
function drag(cell, read, write) {
  let from = null;
  cell.addEventListener("pointerdown", (event) => { from = { y: event.clientY, value: read() }; });
  cell.addEventListener("pointermove", (event) => {
    if (!from) return;
    const steps = Math.round((from.y - event.clientY) / 8);
    if (!steps && !from.moves) return;
    from.moves = true;
    cell.setPointerCapture(event.pointerId);
    event.preventDefault();
    const value = Math.min(4, Math.max(-4, from.value + steps / 4));
    if (value !== read()) write(value);
  });
  for (const end of ["pointerup", "pointercancel"]) cell.addEventListener(end, () => { from = null; });
}

/** A photo as bytes, its longer side at most 1,024 pixels; what the browser can't open goes as it is. */
async function shrunk(file) {
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) return file.slice(0, 2 ** 20).arrayBuffer();
  const scale = Math.min(1, 1024 / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((side) => Math.round(scale * side));
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
  const blob = await new Promise((done) => { canvas.toBlob(done, "image/png"); });
  return blob.arrayBuffer();
}

function questionView(model, root) {
  const [choices, replies, otherwise] = ["choices", "replies", "otherwise"].map((name) => model.get(name));
  const group = make("fieldset", { className: "convlab-question", parent: root });
  make("legend", { textContent: model.get("text"), parent: group });
  const reply = make("p", { className: "convlab-reply", role: "status" });
  const answer = (chosen) => {
    model.set("chosen", chosen);
    model.save_changes();
  };
  let update;
  if (otherwise?.values) {
    const label = { "aria-label": "your answer, a number" };
    const typed = make("input", { type: "text", inputMode: "decimal", size: 10, ...label, parent: group });
    const check = make("button", { type: "button", textContent: "Check", parent: group });
    const hand = () => typed.value.trim() && answer(typed.value.trim());
    check.addEventListener("click", hand);
    typed.addEventListener("keydown", ({ key }) => { if (key === "Enter") hand(); });
    update = (chosen) => { typed.value = chosen; };
  } else {
    const check = radios(group, choices, (place) => answer(choices[place]));
    update = (chosen) => check(choices.indexOf(chosen));
  }
  group.append(reply);
  const follow = () => {
    const chosen = model.get("chosen");
    update(chosen);
    const { right, said } = chosen ? judge({ choices, replies, otherwise }, chosen) : { said: "" };
    reply.textContent = said;
    reply.classList.toggle("convlab-right", Boolean(right));
  };
  model.on("change:chosen", follow);
  follow();
  return () => model.off("change:chosen", follow);
}

const DRILL = ["banks", "level", "first", "place", "chosen", "tried", "streak"];

/** Questions one after another, at three levels: a page has them all, beside a kernel more come. */
function drillView(model, root) {
  const state = () => Object.fromEntries(DRILL.map((name) => [name, model.get(name)]));
  const change = (changed) => {
    for (const [name, value] of Object.entries(changed)) model.set(name, value);
    model.save_changes();
  };
  const row = make("div", { className: "convlab-controls", parent: root });
  const control = make("div", { className: "convlab-control", parent: row });
  const levels = make("fieldset", { parent: control }, make("legend", { textContent: "Level" }));
  const names = model.get("levels").map((name, n) => `${n + 1} ${name}`);
  const check = radios(levels, names, (n) => change({ ...passed(state()), level: n + 1 }));
  const place = make("div", { parent: root });
  const below = make("div", { className: "convlab-controls", parent: root });
  const solve = make("button", { type: "button", textContent: "Show the steps", parent: below });
  const next = make("button", { type: "button", textContent: "Next", parent: below });
  const streak = make("span", { className: "convlab-streak", parent: below });
  let shown;
  const build = () => {
    const question = new PageModel({ ...askedBy(state()), chosen: model.get("chosen") });
    question.on("change:chosen", () => {
      const chosen = question.get("chosen");
      if (chosen !== model.get("chosen")) change(answered(state(), askedBy(state()), chosen));
    });
    place.replaceChildren();
    questionView(question, place);
    check(model.get("level") - 1);
    shown = question;
  };
  const follow = () => {
    if (shown.get("chosen") !== model.get("chosen")) shown.set("chosen", model.get("chosen"));
    streak.textContent = `${model.get("streak")} right in a row`;
  };
  solve.addEventListener("click", () => {
    const { choices, replies } = askedBy(state());
    const { tried, streak: reached } = state();
    change({ tried: true, streak: tried ? reached : 0, chosen: choices[replies.findIndex(({ right }) => right)] });
  });
  next.addEventListener("click", () => {
    change(passed(state()));
    place.querySelector("input").focus();
  });
  const listeners = { "change:place": build, "change:level": build, "change:chosen": follow, "change:streak": follow };
  for (const [event, react] of Object.entries(listeners)) model.on(event, react);
  build();
  follow();
  return () => Object.entries(listeners).forEach(([event, react]) => model.off(event, react));
}

function render({ model, el }) {
  const root = make("div", { className: "convlab", parent: el });
  // JupyterLab would take the arrow keys from controls in an output.
  root.addEventListener("keydown", (event) => event.stopPropagation());
  const simple = { question: questionView, drill: drillView }[model.get("_kind")];
  if (simple) return simple(model, root);
  const view = new ExplorerView(model, root);
  return () => {
    view.stop?.();
    view.ends.forEach((end) => end());
  };
}

/** Stands in for the model of a widget where there is no kernel. What was answered stays in the browser. */
export class PageModel extends EventTarget {
  constructor({ frames, blocks, ...state }, name = "") {
    super();
    Object.assign(this, { state, name, on: this.addEventListener, off: this.removeEventListener });
    for (const kept of KEPT) {
      const was = this.memory(kept);
      const isOffered = !state.choices || state.otherwise.values || state.choices.includes(was);
      if (was && isOffered) state[kept] = was;
    }
    if (!frames) return;
    this.store = new Store(Infinity);
    this.carried = Object.keys(frames).map((at) => JSON.parse(at));
    this.lacks = lackOf({ ...state, frames });
    for (const [at, frame] of Object.entries(frames)) {
      this.store.put(`page ${at}`, { ...frame, numbers: frame.blocks, blocks: [], bytes: 0 });
    }
    if (blocks) this.take(blocks);
    state.at = this.said(globalThis.location?.hash ?? "") ?? state.at;
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    this.state[name] = value;
    if (KEPT.includes(name)) this.memory(name, value);
    if (name === "at" && this.name) {
      clearTimeout(this.timer); // some browsers refuse an address that changes all the time
      this.timer = setTimeout(() => this.tell(), 300);
    }
    this.dispatchEvent(new Event(`change:${name}`));
  }

  save_changes() {}

  /** What the browser keeps under a name, written first if there is something new. */
  memory(name, value) {
    const key = `${REMEMBERED}${this.name} ${name}`;
    if (!this.name || this.get("_kind") === "drill") return null;
    try {
      if (value !== undefined) localStorage.setItem(key, value);
      return localStorage.getItem(key);
    } catch { // it keeps nothing here, as in a frame that may only run scripts
      return null;
    }
  }

  closest(wanted, counts) {
    return closest(this.carried, wanted, this.get("at"), counts);
  }

  /** Where an address says that the controls stand, as near as the page has it. */
  said(address) {
    const { controls, at } = this.state;
    const said = stateIn(address, this.name, controls, at);
    return said && closest(this.carried, said, at, controls.map(({ options }) => options.length));
  }

  tell() {
    history.replaceState(history.state, "", addressOf(this.name, this.get("controls"), this.get("at")));
  }

  prepare(states) {
    for (const at of states.slice(0, AHEAD)) {
      const frame = this.store.kept.get(`page ${JSON.stringify(at)}`);
      if (frame && !frame.image) {
        frame.image = make("img", { src: frame.src });
        frame.image.decode().catch(() => {});
      }
    }
  }

  /** The numbers in the pictures, from a file beside the page, once they are asked for. */
  fetch(react) {
    const src = this.get("numbers");
    if (!src || this.fetched) return;
    this.fetched = make("script", { src, parent: document.head });
    this.fetched.addEventListener("load", () => {
      this.take(globalThis.convlabNumbers[src]);
      react();
    });
  }

  take(texts) {
    const views = texts.map((text) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      return new DataView(bytes.buffer);
    });
    for (const frame of this.store.kept.values()) frame.blocks = frame.numbers.map((number) => views[number]);
  }
}

const parts = () => document.querySelectorAll("[data-convlab]:not([data-convlab=there])");
for (const place of globalThis.document ? parts() : []) {
  const model = new PageModel(JSON.parse(place.querySelector("script").textContent), place.id);
  place.dataset.convlab = "there";
  place.replaceChildren();
  render({ model, el: place });
  globalThis.addEventListener("hashchange", ({ newURL }) => {
    const at = model.store && model.said(new URL(newURL).hash);
    if (at) model.set("at", at);
  });
  if (location.hash.startsWith(`#${place.id}?`)) place.scrollIntoView({ block: "center" });
}

/** Forgets all answers of these pages. */
for (const button of globalThis.document?.querySelectorAll("button[data-convlab-reset]") ?? []) {
  button.addEventListener("click", () => {
    const kept = Object.keys(localStorage).filter((key) => key.startsWith(REMEMBERED));
    kept.forEach((key) => localStorage.removeItem(key));
    location.reload();
  });
}

export default { render };
