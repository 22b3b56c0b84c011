"use strict";
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const joints = data.parents.length;
/** The skeleton of each figure: the scene's, or one of its own. */
const skeletons = data.characters.map((c) => c.skeleton ?? data);
const MEASURES = Object.keys(data.measures);

// ---- clips: base64 of deflated whole numbers, as rae_bench/viewer/packing.py packs them ------------------------------
async function bytes(text) {
  const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Uint8Array(await new Response(new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer());
}
/** Reads arrays of `rows` rows one after another: four planes of bytes, of which the second differences are made. */
function reader(all) {
  let at = 0;
  return (rows, wide, step = 1) => {
    const size = rows * wide, out = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      const folded = (all[at + i] | (all[at + size + i] << 8) | (all[at + 2 * size + i] << 16) | (all[at + 3 * size + i] << 24)) >>> 0;
      out[i] = (folded >>> 1) ^ -(folded & 1);
    }
    at += 4 * size;
    for (let n = 0; n < 2; n++) for (let i = wide; i < size; i++) out[i] += out[i - wide];
    return Float32Array.from(out, (v) => v * step);
  };
}
/** Unpacks a clip when it is looked at first. What models made begins after the history, which is the truth's. */
async function unpack(clip) {
  if (clip.ready) return;
  const read = reader(await bytes(clip.packed)), made = clip.frames - clip.start;
  const truth = read(clip.frames, 3 * joints, data.step), past = truth.subarray(0, 3 * joints * clip.start);
  const whole = (own) => { const out = new Float32Array(past.length + own.length); out.set(past); out.set(own, past.length); return out; };
  const others = clip.has.slice(1), present = others.filter(Boolean).length;
  const tracks = [truth, ...others.map((has, n) => (has ? whole(read(made, 3 * skeletons[n + 1].parents.length, data.step)) : null))];
  const targets = read(clip.frames, 24, data.step), kinds = read(clip.frames, 8);
  const contacts = read(clip.frames, data.contactJoints.length);
  const asked = clip.path ? read(clip.frames, 9, data.step) : null; // three places on the ground a frame: the path ahead
  const errors = clip.means.length ? Array.from({ length: present }, () => MEASURES.map(() => read(made, 1, data.step))) : [];
  clip.ready = { tracks, targets, kinds, contacts, asked, errors: others.map((has) => (has && errors.length ? errors.shift() : null)) };
  delete clip.packed;
}
/** The mean of a figure's error in a clip, metres; null where it has none. */
function meanError(clip, figure, measure) {
  if (!clip.means.length || !figure || !clip.has[figure]) return null;
  return clip.means[measure][clip.has.slice(1, figure).filter(Boolean).length];
}
const [UNIT, PER_METRE] = data.size < 0.1 ? ["mm", 1000] : ["cm", 100];
const inUnits = (metres) => (metres * PER_METRE).toFixed(1);

// ---- state ----------------------------------------------------------------------------------------------------------
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const state = {
  clip: 0, at: 0, playing: !calm, loop: true, speed: 1, camera: "follow", layout: data.beside ? "beside" : "over",
  theme: "light", measure: 0,
  shown: data.characters.map((c) => c.shown), marks: { objectives: true, contacts: true, path: true },
};
const AMBER = "#e09a00";
const MARKS = [
  data.clips.some((c) => c.path)
    ? ["objectives", "path ahead", "O", AMBER, "where the root is asked to be in 1/3, 2/3 and 1 s, on the whole path"]
    : ["objectives", "objectives", "O", AMBER, "where a key joint must be next; a thread leads to it"],
  ["contacts", data.characters.length > 1 ? "feet that stand in the truth" : "contacts", "C", "#8a94a3",
    "rings under the feet that stand, in every figure: where such a foot moves, it slides"],
  ["path", "root path", "P", "#8a94a3", "the pelvis over the ground, whole clip"],
].filter(([name]) => name !== "contacts" || data.contactJoints.length);
const KINDS = [null, ["\u25cb", "contact"], ["\u25c6", "keyframe"], ["\u25cf", "target"]];
const clip = () => data.clips[state.clip];
const last = () => clip().frames - 1;
let stale = true; // the picture is not that of the state any more
