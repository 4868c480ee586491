// The front end's logic, which needs no document: `node --test tests/frontend.test.mjs`. What is seen of it is
// tested in Chromium.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";

// A .js file without a package.json is no module to node, so it comes as an address that says it is one.
const source = readFileSync(new URL("../convlab/explore/frontend/convlab.js", import.meta.url), "utf8");
const {
  addressOf, answered, askedBy, boxOf, cellAt, cellText, closest, compare, Frames, isTouchable, judge, lackOf,
  nearest, neighbours, PageModel, passed, placeOf, readAt, stateIn, stepped, Store, toNumber, touched, Turn,
} = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const picture = (alt = "", bytes = 1) => ({ alt, bytes });
const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

let opened = [];
afterEach(() => {
  opened.forEach((frames) => frames.close()); // or the timer of a question without an answer keeps node waiting
  opened = [];
});

/** The pictures of an explorer in view, and what happened to it: `asked`, `shown` and `late` count up. */
function explorer({ turn = new Turn(), store = new Store(), counts = [9], visible = true, ...options } = {}) {
  const seen = { asked: [], shown: [], late: 0 };
  const frames = new Frames({
    counts,
    name: `explorer ${opened.length}`,
    store,
    turn,
    ask: (at) => seen.asked.push(at),
    show: (frame) => seen.shown.push(frame.alt ?? frame.error),
    late: () => { seen.late += 1; },
    ...options,
  });
  frames.visible = visible;
  opened.push(frames);
  return Object.assign(seen, { frames });
}

/** Answers what is asked now and because of that, until nothing is any more. */
function answerAll({ asked, frames }) {
  while (frames.turn.asking) {
    assert.ok(asked.length < 100, "it asks without end");
    frames.answer(asked.at(-1), picture(JSON.stringify(asked.at(-1))));
  }
}

// ---- Store

function storeOf(limit, sizes) {
  const gone = [];
  const store = new Store(limit);
  for (const [key, bytes] of Object.entries(sizes)) store.put(key, { bytes, drop: () => gone.push(key) });
  return { store, gone };
}

test("a store gives what was put into it, and nothing for what was not", () => {
  const { store } = storeOf(10, { a: 4 });
  assert.equal(store.get("a").bytes, 4);
  assert.equal(store.get("b"), undefined);
});

test("a full store lets go of what was put in first, and tells it", () => {
  const { store, gone } = storeOf(10, { a: 4, b: 4, c: 4 });
  assert.deepEqual(gone, ["a"]);
  assert.deepEqual([...store.kept.keys()], ["b", "c"]);
  assert.equal(store.bytes, 8);
});

test("what was looked at is not the oldest any more", () => {
  const { store, gone } = storeOf(10, { a: 4, b: 4 });
  store.get("a");
  store.put("c", { bytes: 4 });
  assert.deepEqual(gone, ["b"]);
});

test("one large frame makes room by as many as it takes", () => {
  const { store, gone } = storeOf(10, { a: 3, b: 3, c: 3, d: 7 });
  assert.deepEqual(gone, ["a", "b"]);
  assert.equal(store.bytes, 10);
});

test("a frame larger than the store is kept, alone: it is what shows", () => {
  const { store, gone } = storeOf(10, { a: 3, b: 11 });
  assert.deepEqual(gone, ["a"]);
  assert.deepEqual([...store.kept.keys()], ["b"]);
});

test("a frame put in twice counts once, and the former is told that it goes", () => {
  const { store, gone } = storeOf(10, { a: 4 });
  store.put("a", { bytes: 5 });
  assert.deepEqual(gone, ["a"]);
  assert.equal(store.bytes, 5);
});

test("dropping what is not there changes nothing", () => {
  const { store } = storeOf(10, { a: 4 });
  store.drop("b");
  assert.equal(store.bytes, 4);
});

// ---- Turn and Frames

test("the first state is asked for and shown when it has come", () => {
  const one = explorer();
  one.frames.move([4]);
  assert.deepEqual(one.asked, [[4]]);
  assert.deepEqual(one.shown, []);
  one.frames.answer([4], picture("four"));
  assert.deepEqual(one.shown, ["four"]);
});

test("what has been seen is shown again at once, and not asked for", () => {
  const one = explorer({ counts: [2] });
  one.frames.move([0]);
  answerAll(one);
  const before = one.asked.length;
  one.frames.move([1]);
  one.frames.move([0]);
  assert.equal(one.asked.length, before);
  assert.deepEqual(one.shown, ["[0]", "[1]", "[0]"]);
});

test("a fast drag never queues: after the one under way, only the newest state is asked for", () => {
  const one = explorer();
  one.frames.move([0]);
  for (let place = 1; place < 9; place += 1) one.frames.move([place]);
  assert.deepEqual(one.asked, [[0]]);
  one.frames.answer([0], picture("old"));
  assert.deepEqual(one.asked, [[0], [8]]);
  assert.deepEqual(one.shown, ["old"], "in a drag the picture follows, though the hand is further on");
  one.frames.answer([8], picture("new"));
  assert.deepEqual(one.shown, ["old", "new"]);
});

test("what was asked ahead is not shown when the hand has gone elsewhere", () => {
  const one = explorer();
  one.frames.move([0]);
  one.frames.answer([0], picture("zero"));
  assert.deepEqual(one.asked, [[0], [1]]);
  one.frames.move([5]);
  one.frames.answer([1], picture("ahead"));
  assert.deepEqual(one.shown, ["zero"]);
  assert.deepEqual(one.asked.at(-1), [5]);
});

test("an answer that comes when the hand has moved on is kept all the same", () => {
  const one = explorer();
  one.frames.move([0]);
  one.frames.move([5]);
  one.frames.answer([0], picture("zero"));
  one.frames.move([0]);
  assert.deepEqual(one.shown, ["zero", "zero"]);
});

test("several explorers ask one question at a time", () => {
  const turn = new Turn();
  const all = [0, 1, 2].map(() => explorer({ turn, counts: [1] }));
  all.forEach(({ frames }) => frames.move([0]));
  const questions = () => all.map(({ asked }) => asked.length).reduce((sum, count) => sum + count);
  for (let number = 1; number <= 3; number += 1) {
    assert.equal(questions(), number);
    turn.asking.answer([0], picture());
  }
  assert.deepEqual(all.map(({ asked }) => asked), [[[0]], [[0]], [[0]]]);
  assert.equal(turn.asking, null);
});

test("the explorer that was moved last is the next to ask", async () => {
  const turn = new Turn();
  const [first, second, third] = [0, 1, 2].map(() => explorer({ turn, counts: [1] }));
  for (const { frames } of [first, second, third]) {
    frames.move([0]);
    await pause(3); // two moves within a millisecond need not be told apart
  }
  first.frames.answer([0], picture());
  assert.deepEqual([second.asked.length, third.asked.length], [0, 1]);
});

test("what is missing anywhere is asked for before anything ahead", () => {
  const turn = new Turn();
  const [one, other] = [explorer({ turn }), explorer({ turn })];
  one.frames.move([0]);
  other.frames.move([5]);
  one.frames.answer([0], picture());
  assert.deepEqual([one.asked, other.asked], [[[0]], [[5]]]);
  other.frames.answer([5], picture());
  assert.equal(one.asked.length + other.asked.length, 3);
});

test("what was moved last asks nothing ahead while another lacks what it shows", () => {
  const turn = new Turn();
  const [busy, lacking, complete] = [0, 1, 2].map(() => explorer({ turn }));
  busy.frames.move([0]);
  lacking.frames.move([5]);
  complete.frames.store.put(complete.frames.key([5]), picture());
  complete.frames.move([5]);
  busy.frames.answer([0], picture());
  assert.deepEqual([lacking.asked, complete.asked], [[[5]], []]);
});

test("two explorers that share a store do not mix their pictures", () => {
  const store = new Store();
  const turn = new Turn();
  const [one, other] = [explorer({ turn, store, counts: [1] }), explorer({ turn, store, counts: [1] })];
  one.frames.move([0]);
  one.frames.answer([0], picture("mine"));
  other.frames.move([0]);
  assert.deepEqual(other.asked, [[0]]);
  other.frames.answer([0], picture("theirs"));
  one.frames.move([0]);
  assert.deepEqual([one.shown, other.shown], [["mine", "mine"], ["theirs"]]);
  one.frames.forget();
  assert.deepEqual([...store.kept.values()].map(({ alt }) => alt), ["theirs"]);
});

test("ahead is asked on along the way of travel first", () => {
  for (const [from, to, next] of [[3, 4, [[5], [6], [7], [3]]], [4, 3, [[2], [1], [0], [4]]]]) {
    const one = explorer({ visible: false });
    one.frames.move([from]); // not seen, so not asked for
    one.frames.visible = true;
    one.frames.move([to]);
    answerAll(one);
    assert.deepEqual(one.asked, [[to], ...next]);
  }
});

test("a move while something ahead is asked for comes next", () => {
  const one = explorer();
  one.frames.move([0]);
  one.frames.answer([0], picture());
  assert.deepEqual(one.asked, [[0], [1]]);
  one.frames.move([7]);
  one.frames.answer([1], picture());
  assert.deepEqual(one.asked, [[0], [1], [7]]);
});

test("asking ahead ends with the neighbours", () => {
  const one = explorer({ counts: [9, -3] });
  one.frames.move([4, 0]);
  answerAll(one);
  assert.deepEqual(one.asked, [[4, 0], [5, 0], [3, 0], [4, 1], [4, 2]]);
});

test("an explorer out of view asks for nothing, and begins when it comes into view", () => {
  const one = explorer({ visible: false });
  one.frames.move([4]);
  assert.deepEqual(one.asked, []);
  one.frames.visible = true;
  one.frames.turn.next();
  assert.deepEqual(one.asked, [[4]]);
});

test("an explorer that goes out of view asks no further ahead", () => {
  const one = explorer();
  one.frames.move([4]);
  one.frames.visible = false;
  one.frames.answer([4], picture("four"));
  assert.deepEqual(one.asked, [[4]]);
  assert.deepEqual(one.shown, ["four"]);
});

test("an error is told where the picture would stand", () => {
  const one = explorer({ counts: [1] });
  one.frames.move([0]);
  one.frames.answer([0], { error: "too small" });
  assert.deepEqual(one.shown, ["too small"]);
});

test("what failed is not asked for again by itself, but when the hand comes back", () => {
  const one = explorer({ counts: [2] });
  one.frames.move([0]);
  one.frames.answer([0], picture("zero"));
  one.frames.answer([1], { error: "too small" });
  assert.deepEqual(one.asked, [[0], [1]]);
  assert.deepEqual(one.shown, ["zero"], "an error ahead concerns nobody yet");
  one.frames.move([1]);
  assert.deepEqual(one.asked, [[0], [1], [1]]);
  one.frames.answer([1], { error: "still too small" });
  assert.deepEqual(one.shown, ["zero", "still too small"]);
  assert.equal(one.asked.length, 3);
});

test("an error without a place is one of what was asked last", () => {
  const one = explorer({ counts: [1] });
  one.frames.move([0]);
  one.frames.answer(null, { error: "broken" });
  assert.deepEqual([one.shown, one.asked], [["broken"], [[0]]]);
});

/** An explorer whose kernel lets the one question wait beyond all patience. */
async function lost(turn) {
  let told;
  const isLate = new Promise((done) => { told = done; });
  const one = explorer({ turn, late: () => told() });
  one.frames.move([4]);
  await isLate;
  return one;
}

test("where the kernel waits for a processor nothing is asked ahead for a while, but what is wanted is", async () => {
  const { asked, frames } = explorer({ counts: [9] });
  frames.move([2]);
  frames.answer([2], { ...picture(), waited: 0.0005 }); // no more than a clock ticks
  assert.deepEqual(asked, [[2], [3]]);
  frames.answer([3], { ...picture(), waited: 0.025 });
  assert.deepEqual(asked, [[2], [3]]);
  frames.move([5]);
  frames.answer([5], picture());
  assert.deepEqual(asked, [[2], [3], [5]]);
  await pause(2600);
  assert.deepEqual(asked, [[2], [3], [5], [6]]);
});

test("who waits in vain is told so once, and asks no more", async () => {
  const turn = new Turn(5);
  const one = explorer({ turn });
  one.frames.move([4]);
  assert.equal(one.late, 0);
  await pause(40);
  one.frames.move([5]);
  await pause(40);
  assert.deepEqual([one.late, one.asked], [1, [[4]]]);
});

test("who had an answer in time is not said to wait", async () => {
  const one = explorer({ turn: new Turn(5), counts: [1] });
  one.frames.move([0]);
  one.frames.answer([0], picture());
  await pause(40);
  assert.deepEqual([one.late, one.frames.lost], [0, false]);
});

test("while one explorer waits in vain, others get their turn", async () => {
  const turn = new Turn(5);
  const other = explorer({ turn, counts: [1] });
  const one = await lost(turn);
  other.frames.move([0]);
  assert.deepEqual(other.asked, [[0]]);
  other.frames.answer([0], picture("there"));
  assert.deepEqual([other.shown, other.late, one.asked], [["there"], 0, [[4]]]);
});

test("an explorer that had to wait its turn is the next when the one before gets no answer", async () => {
  const turn = new Turn(30);
  const one = explorer({ turn, counts: [1] });
  const other = explorer({ turn, counts: [1] });
  one.frames.move([0]);
  other.frames.move([0]);
  assert.deepEqual(other.asked, []);
  await new Promise((done) => { one.frames.late = done; });
  assert.deepEqual(other.asked, [[0]]);
});

test("an answer that comes late is taken, and then the newest state is asked for", async () => {
  const one = await lost(new Turn(5));
  one.frames.move([7]);
  assert.deepEqual(one.asked, [[4]]);
  one.frames.answer([4], picture("four"));
  assert.deepEqual(one.asked, [[4], [7]]);
  one.frames.answer([7], picture("seven"));
  one.frames.move([4]);
  assert.deepEqual(one.shown, ["four", "seven", "four"]);
});

test("a late answer to one does not end the question of another", async () => {
  const turn = new Turn(30);
  const other = explorer({ turn, counts: [1] });
  const one = await lost(turn);
  other.frames.move([0]);
  one.frames.answer([4], picture("four"));
  assert.deepEqual(one.shown, ["four"]);
  assert.equal(turn.asking, other.frames);
  assert.deepEqual([one.asked.length, other.asked.length], [1, 1]);
  other.frames.answer([0], picture());
  assert.equal(one.asked.length, 2);
});

test("who cannot even ask is told at once, and others get their turn", () => {
  const turn = new Turn();
  const one = explorer({ turn, ask: () => { throw new Error("no comm"); } });
  const other = explorer({ turn, counts: [1] });
  one.frames.move([0]);
  assert.equal(one.late, 1);
  other.frames.move([0]);
  assert.deepEqual(other.asked, [[0]]);
});

test("an explorer that forgets asks anew, and lets go of its pictures", () => {
  const one = explorer({ counts: [1] });
  let gone = 0;
  one.frames.move([0]);
  one.frames.answer([0], { ...picture("before"), drop: () => { gone += 1; } });
  one.frames.forget();
  assert.equal(gone, 1);
  one.frames.move([0]);
  assert.deepEqual(one.asked, [[0], [0]]);
});

test("a kernel that runs again after it could not be asked is asked again", () => {
  let isThere = false;
  const asked = [];
  const one = explorer({ ask: (at) => { if (isThere) asked.push(at); else throw new Error("no comm"); } });
  one.frames.move([3]);
  assert.deepEqual([one.late, asked], [1, []]);
  isThere = true;
  one.frames.forget(); // as the view does when the widget's kernel has come back
  one.frames.move([3]);
  assert.deepEqual(asked, [[3]]);
});

test("a closed explorer gives its turn to the next, and its room back", () => {
  const turn = new Turn();
  const store = new Store();
  const one = explorer({ turn, store });
  const other = explorer({ turn, store, counts: [1] });
  one.frames.move([0]);
  one.frames.answer([0], picture());
  other.frames.move([0]);
  assert.deepEqual(other.asked, []);
  one.frames.close();
  assert.deepEqual(other.asked, [[0]]);
  assert.equal(store.bytes, 0);
});

test("pictures keep within the store's bytes, and the state that shows is the last to go", () => {
  const store = new Store(5);
  const one = explorer({ store, counts: [3] });
  one.frames.move([0]);
  answerAll(one);
  for (const place of [1, 2, 1, 0, 1]) one.frames.move([place]);
  answerAll(one);
  assert.ok(store.bytes <= 5);
  assert.equal(one.shown.at(-1), "[1]");
});

// ---- neighbours

test("the neighbours of a state are one step of every slider", () => {
  assert.deepEqual(neighbours([1, 1], [3, 3]), [[2, 1], [0, 1], [1, 2], [1, 0]]);
});

test("at the end of a slider there is one neighbour", () => {
  assert.deepEqual(neighbours([0], [3]), [[1]]);
  assert.deepEqual(neighbours([2], [3]), [[1]]);
  assert.deepEqual(neighbours([0], [1]), []);
});

test("of a menu any option may come next", () => {
  assert.deepEqual(neighbours([2], [-4]), [[0], [1], [3]]);
});

test("along the way of travel three steps come first, then the one back, none of them twice", () => {
  assert.deepEqual(neighbours([4, 0], [9, 2], { control: 0, by: 1 }), [[5, 0], [6, 0], [7, 0], [3, 0], [4, 1]]);
  assert.deepEqual(neighbours([4, 0], [9, 2], { control: 0, by: -1 }), [[3, 0], [2, 0], [1, 0], [5, 0], [4, 1]]);
  assert.deepEqual(neighbours([8], [9], { control: 0, by: 1 }), [[7]]);
});

test("beside numbers of one's own stand the starting points", () => {
  const own = [[1, 2], [3, 4]];
  assert.deepEqual(neighbours([own, 0], [-2, 2], { control: 0, by: 1 }), [[0, 0], [1, 0], [own, 1]]);
});

// ---- where a picture is touched

const OFF_CENTRE = [0.5, 0.1, 0.4, 0.2]; // left, top, width, height: not square, not in the middle
const blocksOf = (numbers, Kind) => [new DataView(new Kind(numbers).buffer)];
const grid = (shape, rest = {}) => ({ box: OFF_CENTRE, shape, low: 0, step: 1, block: 0, ...rest });
const spotOf = (shape, rest) => ({ name: "photo", box: [0.4, 0, 0.6, 0.5], grid: grid(shape, rest) });

test("the nearest place is found, at both ends and beyond, whichever way the places run", () => {
  const places = [0.1, 0.2, 0.5];
  assert.deepEqual([-1, 0.14, 0.16, 0.34, 0.36, 9].map((x) => nearest(places, x)), [0, 0, 1, 1, 2, 2]);
  assert.deepEqual([0, 0.36, 0.34, 9].map((x) => nearest([0.5, 0.2, 0.1], x)), [2, 0, 1, 0]);
});

test("a touch moves the controls of both axes, and no other", () => {
  const spot = { box: OFF_CENTRE, x: { control: 2, at: [0.5, 0.7, 0.9] }, y: { control: 0, at: [0.1, 0.3] } };
  const at = [0, 5, 0];
  assert.deepEqual(touched(at, spot, 0.72, 0.28), [1, 5, 1]);
  assert.deepEqual(at, [0, 5, 0], "what stood there is left as it was");
});

test("a touch on one axis leaves the other", () => {
  assert.deepEqual(touched([3, 0], { box: OFF_CENTRE, x: { control: 1, at: [0.5, 0.9] } }, 0.9, 0.1), [3, 1]);
  assert.deepEqual(touched([0, 3], { box: OFF_CENTRE, y: { control: 0, at: [0.1, 0.3] } }, 0.9, 0.3), [1, 3]);
});

test("a press can set controls, and the same press move others", () => {
  const spot = { box: OFF_CENTRE, sets: [[0, 4], [1, 2]], x: { control: 2, at: [0.5, 0.9] } };
  assert.deepEqual(touched([0, 0, 0], spot, 0.8, 0.2), [4, 2, 1]);
});

test("only what moves or sets something can be touched", () => {
  assert.equal(isTouchable(spotOf([2, 4, 1])), false);
  assert.equal(isTouchable({ texts: [["a"]] }), false);
  for (const part of ["x", "y", "sets"]) assert.equal(isTouchable({ [part]: {} }), true);
});

test("the cell under a point is found in a grid that is off-centre and not square", () => {
  const spot = spotOf([2, 4, 1]); // cells of 0.1 × 0.1
  assert.deepEqual(cellAt(spot, 0.51, 0.11), [0, 0]);
  assert.deepEqual(cellAt(spot, 0.59, 0.19), [0, 0]);
  assert.deepEqual(cellAt(spot, 0.61, 0.19), [0, 1]);
  assert.deepEqual(cellAt(spot, 0.59, 0.21), [1, 0]);
  assert.deepEqual(cellAt(spot, 0.89, 0.29), [1, 3]);
});

test("the edges of a grid belong to its outer cells, and beyond them there is none", () => {
  const spot = spotOf([2, 4, 1]);
  assert.deepEqual(cellAt(spot, 0.5, 0.1), [0, 0]);
  assert.deepEqual(cellAt(spot, 0.9, 0.3), [1, 3]);
  const exact = { box: [0.5, 0.25, 0.25, 0.5], texts: [["a"], ["b"]] }; // whose last edge no rounding moves inwards
  assert.deepEqual(cellAt(exact, 0.75, 0.75), [1, 0]);
  for (const [x, y] of [[0.49, 0.2], [0.91, 0.2], [0.7, 0.09], [0.7, 0.31]]) assert.equal(cellAt(spot, x, y), null);
});

test("where there are neither numbers nor words there is no cell", () => {
  assert.equal(cellAt({ box: OFF_CENTRE, x: { control: 0, at: [0.5] } }, 0.6, 0.2), null);
});

test("the box of a cell is where the cell is found", () => {
  const spot = spotOf([2, 4, 1]);
  for (let row = 0; row < 2; row += 1) {
    for (let column = 0; column < 4; column += 1) {
      const [left, top, width, height] = boxOf(spot, [row, column]);
      assert.deepEqual(cellAt(spot, left + width / 2, top + height / 2), [row, column]);
      assert.deepEqual([width, height].map((side) => side.toFixed(9)), ["0.100000000", "0.100000000"]);
    }
  }
});

test("words stand in the spot's own box", () => {
  const spot = { box: OFF_CENTRE, texts: [["a", "b"]] };
  assert.deepEqual(cellAt(spot, 0.71, 0.29), [0, 1]);
  assert.deepEqual(boxOf(spot, [0, 1]).map((side) => Number(side.toFixed(9))), [0.7, 0.1, 0.2, 0.2]);
  assert.equal(readAt(spot, 0.71, 0.29, []), "b");
});

test("bytes are read as the numbers they stand for, row by row", () => {
  const blocks = blocksOf([0, 51, 102, 153, 204, 255], Uint8Array);
  const spot = spotOf([2, 3, 1], { step: 1 / 255 });
  assert.equal(cellText(spot, [0, 1], blocks), "photo, row 0, column 1: 0.2");
  assert.equal(cellText(spot, [1, 0], blocks), "photo, row 1, column 0: 0.6");
  assert.equal(cellText(spot, [1, 2], blocks), "photo, row 1, column 2: 1");
});

test("sixteen bits are read with the smaller byte first", () => {
  const blocks = [new DataView(Uint8Array.of(1, 0, 0, 1, 2, 1).buffer)];
  const at = (column) => cellText(spotOf([1, 3, 1], { low: -1, step: 0.5 }), [0, column], blocks);
  assert.deepEqual([0, 1, 2].map(at), ["−0.5", "127", "128"].map((said, n) => `photo, row 0, column ${n}: ${said}`));
});

test("65535 stands for nothing, but 255 in a byte is a number", () => {
  const blocks = [new DataView(Uint8Array.of(255, 255).buffer)];
  assert.match(cellText(spotOf([1, 1, 1]), [0, 0], blocks), /: nothing$/);
  assert.match(cellText(spotOf([1, 2, 1]), [0, 0], blocks), /: 255$/);
});

test("three channels are read as red, green and blue", () => {
  const blocks = blocksOf([0, 0, 0, 10, 20, 30], Uint8Array);
  const said = cellText(spotOf([1, 2, 3]), [0, 1], blocks);
  assert.equal(said, "photo, row 0, column 1: red 10, green 20, blue 30");
});

test("the numbers of several panels lie in several blocks", () => {
  const blocks = [...blocksOf([1], Uint8Array), ...blocksOf([2], Uint8Array)];
  assert.match(cellText(spotOf([1, 1, 1], { block: 1 }), [0, 0], blocks), /: 2$/);
});

test("a nought among levels that miss it by a little is read as nought", () => {
  // The kernel "sharpen": weights from −1 to 5 in 65,534 steps, none of which is 0.
  const step = 6 / 65534;
  const blocks = blocksOf([10922], Uint16Array);
  assert.equal(cellText(spotOf([1, 1, 1], { low: -1, step }), [0, 0], blocks), "photo, row 0, column 0: 0");
});

test("a bar says its own words, where it is and nowhere else", () => {
  const bars = [[0.5, 0.1, 0.3, 0.04, "ordinary: 576"], [0.5, 0.2, 0.1, 0.04, "b"]];
  const spot = { name: "weights", box: OFF_CENTRE, bars };
  assert.equal(readAt(spot, 0.79, 0.12, []), "ordinary: 576");
  assert.equal(readAt(spot, 0.55, 0.22, []), "b");
  assert.equal(readAt(spot, 0.79, 0.22, []), "");
});

test("a point beside the grid of a panel says nothing", () => {
  assert.equal(readAt(spotOf([1, 1, 1]), 0.45, 0.2, blocksOf([1], Uint8Array)), "");
});

test("arrow keys go from cell to cell and stop at the edges", () => {
  const spot = spotOf([2, 3, 1]);
  const walk = ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"];
  let cell = [0, 0];
  const way = walk.map((key) => { cell = stepped(spot, cell, key); return cell.join(); });
  assert.deepEqual(way, ["0,1", "0,2", "0,2", "1,2", "1,2", "1,1", "0,1", "0,1"]);
});

test("arrow keys go from bar to bar, round and round", () => {
  const spot = { box: OFF_CENTRE, bars: [[], [], []] };
  assert.deepEqual(stepped(spot, [0, 0], "ArrowRight"), [1, 0]);
  assert.deepEqual(stepped(spot, [2, 0], "ArrowDown"), [0, 0]);
  assert.deepEqual(stepped(spot, [0, 0], "ArrowUp"), [2, 0]);
});

// ---- answers

test("a number may be typed in many ways", () => {
  const typed = ["1728", "1,728", "1 728", "1_728", "0.5", "0,5", ".5", "−2", "-2", "30 %", " 7 ", "1,234,567.5"];
  const read = [1728, 1728, 1728, 1728, 0.5, 0.5, 0.5, -2, -2, 30, 7, 1234567.5];
  assert.deepEqual(typed.map(toNumber), read);
});

test("what is no number is none", () => {
  for (const typed of ["", "abc", "1e3", "1/2", "--2", "1.2.3", "0x10", "Infinity", "NaN", ".", "-", "5 px", "1,2,3"]) {
    assert.ok(Number.isNaN(toNumber(typed)), typed);
  }
});

const CHOICES = {
  choices: ["5", "9"],
  replies: [{ right: false, text: "Count the gaps." }, { right: true, text: "4 + 4 + 1." }],
  otherwise: {},
};
const TYPED = { ...CHOICES, otherwise: { values: [5, 9], tolerance: 0.5, text: "Draw it." } };

test("a choice is judged by its own reply", () => {
  assert.deepEqual(judge(CHOICES, "9"), { right: true, said: "✓ 9: 4 + 4 + 1." });
  assert.deepEqual(judge(CHOICES, "5"), { right: false, said: "✗ Not 5. Count the gaps." });
});

test("a typed answer is right within the tolerance, and shown as it was typed", () => {
  assert.deepEqual(judge(TYPED, "9,5"), { right: true, said: "✓ 9,5: 4 + 4 + 1." });
  assert.equal(judge(TYPED, "9.51").right, false);
});

test("a known mistake has a reply of its own, any other the hint", () => {
  assert.equal(judge(TYPED, "5.0").said, "✗ Not 5.0. Count the gaps.");
  assert.equal(judge(TYPED, "7").said, "✗ Not 7. Draw it.");
});

test("what is no number is said to be none", () => {
  const said = "“nine” is no number: type digits, as in 1728 or 0.5.";
  assert.deepEqual(judge(TYPED, "nine"), { right: false, said });
});

test("a number computed in floating point needs no tolerance to be right", () => {
  const exact = { ...TYPED, otherwise: { values: [5, 0.1 + 0.2], tolerance: 0, text: "" } };
  assert.equal(judge(exact, "0.3").right, true);
});

test("a prediction is kept, and compared when the controls have come to where it shows", () => {
  const predict = { answer: 9, values: [null, 3] };
  assert.equal(compare(predict, "", [0, 3]), "");
  assert.equal(compare(predict, "7", [0, 2]), "Kept: 7. Now move the controls there.");
  assert.equal(compare(predict, "7", [5, 3]), "You wrote 7, it is 9.");
  assert.equal(compare(predict, "9", [5, 3]), "You wrote 9, it is 9: right!");
});

test("a whole number is compared to the last digit", () => {
  assert.match(compare({ answer: 1728, values: [] }, "1,728", []), /it is 1,?728: right!$/);
});

test("a computed prediction is right as a typed answer is", () => {
  assert.match(compare({ answer: 0.1 + 0.2, values: [] }, "0.3", []), /right!$/);
});

test("numbers that equal a starting point's are at its place, others are a place themselves", () => {
  const named = [[[1, 0], [0, 1]], [[0, 0], [0, 0]]];
  assert.equal(placeOf([[0, 0], [0, 0]], named), 1);
  assert.deepEqual(placeOf([[0, 0], [0, 2]], named), [[0, 0], [0, 2]]);
});

// ---- drills

const drilled = {
  chosen: { choices: ["7", "9"], replies: [{ right: false, text: "" }, { right: true, text: "" }], otherwise: {} },
  typed: {
    choices: ["9", "7"], replies: [{ right: true, text: "" }, { right: false, text: "" }],
    otherwise: { tolerance: 0, values: [9, 7], text: "" },
  },
};

test("the first answer to a question of a drill counts, and no later one", () => {
  for (const question of Object.values(drilled)) {
    const right = answered({ tried: false, streak: 2 }, question, "9");
    assert.deepEqual(right, { chosen: "9", tried: true, streak: 3 });
    assert.deepEqual(answered(right, question, "7"), { chosen: "7" });
    assert.deepEqual(answered({ tried: false, streak: 2 }, question, "7"), { chosen: "7", tried: true, streak: 0 });
  }
});

test("what is no number is no answer to a drill", () => {
  assert.deepEqual(answered({ tried: false, streak: 2 }, drilled.typed, "many"), { chosen: "many" });
});

test("to go on from a question that was not answered ends the streak", () => {
  const fresh = { chosen: "", tried: false };
  assert.deepEqual(passed({ tried: true, streak: 3, place: 4 }), { ...fresh, streak: 3, place: 5 });
  assert.deepEqual(passed({ tried: false, streak: 3, place: 4 }), { ...fresh, streak: 0, place: 5 });
});

test("a drill asks the questions of its level in turn, and from the beginning where no more come", () => {
  const drill = { banks: [["a", "b"], ["c", "d", "e"]], level: 2, first: 10 };
  const asked = [10, 11, 12, 13].map((place) => askedBy({ ...drill, place }));
  assert.deepEqual(asked, ["c", "d", "e", "c"]);
  assert.equal(askedBy({ ...drill, level: 1, place: 11 }), "b");
});

// ---- PageModel

test("a page's model gives the state, and tells those who listen what changed", () => {
  const model = new PageModel({ kind: "question", chosen: "" });
  const heard = [];
  const react = () => heard.push(model.get("chosen"));
  model.on("change:chosen", react);
  model.on("change:kind", () => heard.push("never"));
  model.set("chosen", "9");
  model.save_changes();
  model.off("change:chosen", react);
  model.set("chosen", "5");
  assert.deepEqual([heard, model.get("chosen"), model.get("kind")], [["9"], "5", "question"]);
  assert.equal(model.store, undefined);
});

test("a page has every frame from the start, and frames share their blocks", () => {
  const blocks = [btoa("\u0001"), btoa("\u0002\u0003")];
  const frames = { "[0]": { alt: "zero", blocks: [1] }, "[1]": { alt: "one", blocks: [0, 1] } };
  const model = new PageModel({ kind: "explorer", at: [0], controls: [], all: 2, frames, blocks });
  const [zero, one] = [0, 1].map((place) => model.store.get(`page [${place}]`));
  assert.equal(zero.blocks[0], one.blocks[1]);
  assert.deepEqual([one.blocks[0].getUint8(0), zero.blocks[0].getUint16(0, true)], [1, 0x302]);
  assert.equal(one.alt, "one");
});

test("a page's frames are found by the explorer that shows them, without a question", () => {
  const frames = { "[0]": { alt: "zero", blocks: [] }, "[1]": { alt: "one", blocks: [] } };
  const model = new PageModel({ at: [0], controls: [], all: 2, frames });
  const one = explorer({ store: model.store, name: "page", counts: [2], visible: false });
  one.frames.move([0]);
  one.frames.move([1]);
  assert.deepEqual([one.shown, one.asked], [["zero", "one"], []]);
});

test("what a page does not carry leads to the nearest that it does, what was moved first", () => {
  const carried = [[0, 0, 0], [1, 0, 0], [5, 0, 0], [0, 3, 0], [0, 0, 1]];
  const counts = [6, 4, -2];
  assert.deepEqual(closest(carried, [5, 0, 0], [0, 0, 0], counts), [5, 0, 0]);
  assert.deepEqual(closest(carried, [5, 3, 0], [5, 0, 0], counts), [0, 3, 0]);
  assert.deepEqual(closest(carried, [5, 0, 1], [5, 0, 0], counts), [0, 0, 1]);
  assert.deepEqual(closest(carried, [3, 0, 0], [0, 0, 0], counts), [1, 0, 0]);
  assert.deepEqual(closest(carried, [4, 1, 0], [0, 0, 0], counts), [5, 0, 0]);
});

test("an address says where controls stand, in words, and leads there again", () => {
  const controls = [{ name: "size", options: ["1", "½ & ½"] }, { name: "at_once", options: ["yes", "no"] }];
  const address = addressOf("part_1", controls, [1, 0]);
  assert.equal(address, "#part_1?size=%C2%BD+%26+%C2%BD&at_once=yes");
  assert.deepEqual(stateIn(address, "part_1", controls, [0, 1]), [1, 0]);
  assert.deepEqual(stateIn("#part_1?at_once=maybe&other=1", "part_1", controls, [1, 1]), [1, 1]);
  for (const other of ["", "#part_1", "#part_10?size=1", "#summary"]) {
    assert.equal(stateIn(other, "part_1", controls, [0, 0]), null);
  }
});

test("a page says in one line what only the notebook has, and nothing if it has all", () => {
  const frames = { "[0]": {}, "[1]": {} };
  assert.equal(lackOf({ all: 2, controls: [{ kind: "range" }], frames }), "");
  assert.equal(
    lackOf({ all: 1200, controls: [{ kind: "grid" }, { kind: "photo" }], frames }),
    "Here no Python runs. The notebook also has all 1,200 pictures, of which 2 are here, and numbers of your own, "
    + "and photos of your own.",
  );
});
