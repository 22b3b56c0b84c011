// ---- cells: one picture of all figures, or one picture each, seen from the same side --------------------------------
const stage = { width: 1, height: 1, cells: [], points: null, radius: h };
/** The truth of the whole clip as seen from the direction `from`: 3 numbers a point, to the right, up, and near. */
function spread(from) {
  const track = clip().ready.tracks[0], out = new Float32Array(track.length), p = people[0], still = middle();
  const right = new THREE.Vector3().crossVectors(up, from).normalize(), over = new THREE.Vector3().crossVectors(from, right);
  stage.radius = 0.3 * h;
  for (let t = 0; t <= last(); t++) {
    for (let j = 0; j < joints; j++) {
      const i = 3 * (joints * t + j);
      a.fromArray(track, i).sub(still ?? b.set(p.centres[2 * t], state.level, p.centres[2 * t + 1]));
      out[i] = a.dot(right); out[i + 1] = a.dot(over); out[i + 2] = a.dot(from);
      stage.radius = Math.max(stage.radius, a.length());
    }
  }
  stage.points = out;
}
/** How far off the eye must stand to see all of that in a cell. */
function distance(wide, tall) {
  const up = Math.tan((eye.fov * Math.PI) / 360), across = (up * wide) / tall;
  let far = stage.radius;
  for (let i = 0; i < stage.points.length; i += 3) {
    const side = Math.max(Math.abs(stage.points[i]) / across, Math.abs(stage.points[i + 1]) / up);
    far = Math.max(far, stage.points[i + 2] + 1.12 * side);
  }
  return far;
}
/** As many columns as make the figures largest. */
function cells() {
  const here = seen(), beside = state.layout === "beside" && here.length > 1, count = beside ? here.length : 1;
  const far = (c) => distance(stage.width / c, stage.height / Math.ceil(count / c)) * Math.ceil(count / c);
  let columns = 1;
  for (let c = 2; c <= count; c++) if (far(c) < far(columns)) columns = c;
  const rows = Math.ceil(count / columns), wide = stage.width / columns, tall = stage.height / rows;
  stage.cells = Array.from({ length: count }, (_, i) => ({
    people: beside ? [here[i]] : here, x: (i % columns) * wide, y: Math.floor(i / columns) * tall, wide, tall,
  }));
  $("labels").replaceChildren(...(beside ? stage.cells : []).map((cell) => {
    const box = document.createElement("div"), c = data.characters[cell.people[0].n];
    box.textContent = c.label;
    box.style.cssText = `left:${cell.x}px;top:${cell.y}px;width:${cell.wide}px;height:${cell.tall}px;color:${hue(c)}`;
    return box;
  }));
  eye.aspect = wide / tall;
  return distance(wide, tall);
}
const hue = (c) => c.colours[state.theme === "dark" ? 1 : 0];

// ---- cameras --------------------------------------------------------------------------------------------------------
const aim = new THREE.Vector3(), before = new THREE.Vector3(), shift = new THREE.Vector3();
let fitted = 1; // how far off the eye stands where nobody zoomed
/** What the fixed camera looks at: the middle of the way. */
function middle() {
  if (state.camera !== "fixed") return null;
  const c = people[0].centres, low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (let i = 0; i < c.length; i++) { low[i % 2] = Math.min(low[i % 2], c[i]); high[i % 2] = Math.max(high[i % 2], c[i]); }
  return new THREE.Vector3((low[0] + high[0]) / 2, state.level, (low[1] + high[1]) / 2);
}
function lead(out) { return out.copy(middle() ?? (seen()[0] ?? people[0]).centre); }
/** Looks from where the choice of camera says. */
function place() {
  const way = travel(), right = new THREE.Vector3(-way.z, 0, way.x), from = new THREE.Vector3();
  if (state.camera === "top") from.copy(up).addScaledVector(right, 0.001);
  else if (state.camera === "side") from.copy(right).addScaledVector(up, 0.12);
  else if (state.camera === "front") from.copy(way).addScaledVector(up, 0.12);
  else if (state.camera === "fixed") from.copy(right).addScaledVector(up, 0.4);
  else from.copy(right).addScaledVector(way, 0.7).addScaledVector(up, 0.4);
  spread(from.normalize());
  fitted = cells();
  lead(aim); before.copy(aim);
  controls.target.copy(aim);
  eye.position.copy(aim).addScaledVector(from, fitted);
  controls.update();
  measure();
  stale = true;
}
/** Keeps the side that people turned to, and their zoom, where the room or the figures change. */
function refit() {
  const off = eye.position.clone().sub(controls.target), zoom = off.length() / fitted;
  spread(off.normalize());
  fitted = cells();
  eye.position.copy(controls.target).addScaledVector(off, zoom * fitted);
  measure();
  stale = true;
}
/** The ground's cells: 1, 2 or 5 times a power of ten. */
function measure() {
  const wanted = Math.max(0.3 * h, stage.radius / 6), power = 10 ** Math.floor(Math.log10(wanted)), r = wanted / power;
  const cell = power * (r > 5 ? 10 : r > 2 ? 5 : r > 1 ? 2 : 1);
  grid.scale.setScalar(cell);
  const [factor, unit] = cell >= 1 ? [1, "m"] : cell >= 0.01 ? [100, "cm"] : [1000, "mm"];
  $("grid").textContent = `ground: squares of ${Number((cell * factor).toPrecision(2))} ${unit}`;
}

