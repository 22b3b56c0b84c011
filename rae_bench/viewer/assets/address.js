// ---- the address: #clip=...&t=...&show=... is what a link to a moment says ------------------------------------------
/** What the address asks for; names that are not there are passed over. */
function asked_for() {
  const words = new URLSearchParams(location.hash.slice(1)), t = words.get("t");
  const n = data.clips.findIndex((c) => c.id === words.get("clip"));
  const show = words.getAll("show").filter((label) => data.characters.some((c) => c.label === label));
  const option = (name, id) => (Array.from($(id).options, (o) => o.value).includes(words.get(name)) ? words.get(name) : null);
  const look = { camera: option("camera", "camera"), layout: option("layout", "layout"), measure: MEASURES.indexOf(words.get("error")) };
  return { look, clip: n < 0 ? null : n, t: t === null || !Number.isFinite(Number(t)) ? null : Number(t), show };
}
/** Goes where the address says. Of a clip alone that is its worst second; a moment stands still. */
async function follow() {
  const { clip: n, t, show, look } = asked_for();
  if (look.camera) { state.camera = look.camera; $("camera").value = look.camera; }
  if (look.layout) { state.layout = look.layout; $("layout").value = look.layout; }
  if (measured && look.measure >= 0) { state.measure = look.measure; $("measure").value = look.measure; }
  if (show.length) data.characters.forEach((c, k) => { if (state.shown[k] !== show.includes(c.label)) flip(k); });
  const to = n ?? (data.clips[state.clip].ready ? state.clip : data.first), { opens, start, frames } = data.clips[to];
  if (t !== null) state.playing = false;
  const frame = t === null ? opens ?? 0 : Math.round(t * data.fps) + start;
  await choose(to, Math.min(Math.max(frame, 0), frames - 1));
}
let pending = 0;
/** Writes what is seen into the address, once the reader has come to rest, and without a step in the browser's history. */
function remember() {
  clearTimeout(pending);
  pending = setTimeout(write, 200);
}
function write() {
  const words = new URLSearchParams({ clip: clip().id, t: ((Math.round(state.at) - clip().start) / data.fps).toFixed(2) });
  if (state.shown.some((on, n) => on !== data.characters[n].shown)) {
    data.characters.forEach((c, n) => { if (state.shown[n]) words.append("show", c.label); });
  }
  if (state.camera !== "follow") words.set("camera", state.camera);
  if (state.layout !== (data.beside ? "beside" : "over")) words.set("layout", state.layout);
  if (state.measure) words.set("error", MEASURES[state.measure]);
  try {
    history.replaceState(null, "", "#" + words);
  } catch { /* a page within another one has no address of its own */ }
}
addEventListener("hashchange", follow);
