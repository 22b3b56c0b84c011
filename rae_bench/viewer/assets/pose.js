// ---- one frame of the motion ----------------------------------------------------------------------------------------
const up = new THREE.Vector3(0, 1, 0), a = new THREE.Vector3(), b = new THREE.Vector3(), size = new THREE.Vector3();
const turn = new THREE.Quaternion(), still = new THREE.Quaternion(), one = new THREE.Vector3(1, 1, 1), matrix = new THREE.Matrix4();
const nothing = new THREE.Matrix4().makeScale(0, 0, 0);

/** The figures that are on and have made this clip. */
function seen() { return people.filter((p) => state.shown[p.n] && clip().has[p.n]); }

/** Where the truth goes over the ground, as a unit vector. */
function travel() {
  const track = clip().ready.tracks[0], end = 3 * joints * last(), r = 3 * data.root;
  a.set(track[end + r] - track[r], 0, track[end + r + 2] - track[r + 2]);
  return a.length() < 0.2 * h ? new THREE.Vector3(0, 0, 1) : a.clone().normalize();
}

/** What the camera follows over the ground, 2 numbers a frame: the middle of the body, smoothed; of one that stays, its mean. */
function centres({ joints, root }, track, frames) {
  const sums = new Float64Array(2 * (frames + 1)), out = new Float32Array(2 * frames), r = 3 * root;
  for (let t = 0; t < frames; t++) {
    for (let k = 0; k < 2; k++) {
      let sum = 0;
      for (let j = 0; j < joints; j++) sum += track[3 * (joints * t + j) + 2 * k];
      sums[2 * (t + 1) + k] = sums[2 * t + k] + sum / joints;
    }
  }
  let way = 0;
  for (let t = 0; t < frames; t++) {
    const i = 3 * joints * t + r;
    way = Math.max(way, Math.hypot(track[i] - track[r], track[i + 2] - track[r + 2]));
  }
  const wide = way < 0.5 * h ? frames : Math.round(data.fps / 4);
  for (let t = 0; t < frames; t++) {
    const from = Math.max(t - wide, 0), to = Math.min(t + wide + 1, frames);
    for (let k = 0; k < 2; k++) out[2 * t + k] = (sums[2 * to + k] - sums[2 * from + k]) / (to - from);
  }
  return out;
}

function arrange() {
  const { tracks, asked: ahead } = clip().ready;
  if (ahead) {
    const line = new Float32Array(3 * clip().frames);
    for (let t = 0; t < clip().frames; t++) line.set(ahead.subarray(9 * t, 9 * t + 3), 3 * t);
    asked.geometry.dispose();
    asked.geometry = new THREE.BufferGeometry().setAttribute("position", new THREE.BufferAttribute(line, 3));
  }
  let low = Infinity, high = -Infinity;
  for (let i = 1; i < tracks[0].length; i += 3) { low = Math.min(low, tracks[0][i]); high = Math.max(high, tracks[0][i]); }
  state.level = (low + high) / 2;
  for (const p of people) {
    if (!tracks[p.n]) continue;
    p.centres = centres(p, tracks[p.n], clip().frames);
    const line = new Float32Array(3 * clip().frames), track = tracks[p.n];
    for (let t = 0; t < clip().frames; t++) {
      const i = 3 * (p.joints * t + p.root);
      line.set([track[i], 0.004 * h, track[i + 2]], 3 * t);
    }
    p.path.geometry.dispose();
    p.path.geometry = new THREE.BufferGeometry().setAttribute("position", new THREE.BufferAttribute(line, 3));
  }
}

function pose() {
  const { tracks, targets, kinds, contacts, asked: ahead } = clip().ready;
  const t0 = Math.min(Math.floor(state.at), last()), t1 = Math.min(t0 + 1, last()), w = state.at - t0;
  const feet = data.contactJoints.length, slots = [];
  for (let k = 0; k < 8; k++) if (kinds[8 * t0 + k] && data.keyJoints[k] >= 0) slots.push(k);
  gems.forEach((mesh, kind) => {
    const mine = slots.filter((k) => kinds[8 * t0 + k] === kind + 1);
    mine.forEach((k, i) => {
      a.fromArray(targets, 3 * (8 * t0 + k));
      if (kind === 0) a.y = Math.max(a.y, 0.002 * h);
      mesh.setMatrixAt(i, matrix.compose(a, still, one));
    });
    mesh.count = mine.length;
    mesh.visible = state.marks.objectives && seen().length > 0;
    mesh.instanceMatrix.needsUpdate = true;
  });
  asked.visible = Boolean(ahead) && state.marks.objectives && seen().length > 0;
  if (ahead) {
    for (let k = 0; k < 3; k++) gems[0].setMatrixAt(k, matrix.compose(a.fromArray(ahead, 9 * t0 + 3 * k), still, one));
    gems[0].count = 3;
  }
  for (const p of seen()) {
    const track = tracks[p.n], i0 = 3 * p.joints * t0, i1 = 3 * p.joints * t1;
    for (let i = 0; i < p.now.length; i++) p.now[i] = track[i0 + i] * (1 - w) + track[i1 + i] * w;
    const c = p.centres;
    p.centre.set(c[2 * t0] * (1 - w) + c[2 * t1] * w, state.level, c[2 * t0 + 1] * (1 - w) + c[2 * t1 + 1] * w);
    p.bones.forEach(([from, to], k) => {
      a.fromArray(p.now, 3 * from); b.fromArray(p.now, 3 * to).sub(a);
      const length = b.length();
      turn.setFromUnitVectors(up, length > 1e-6 * h ? b.divideScalar(length) : up);
      const thick = p.n === 0 ? 1.25 : 1; // the truth stays seen behind a roll-out that agrees with it
      p.limbs.setMatrixAt(k, matrix.compose(a, turn, size.set(thick, length, thick)));
    });
    for (let j = 0; j < p.joints; j++) p.balls.setMatrixAt(j, matrix.compose(a.fromArray(p.now, 3 * j), still, one));
    p.contactJoints.forEach((j, k) => {
      a.fromArray(p.now, 3 * Math.max(j, 0)).y = 0.003 * h;
      p.rings.setMatrixAt(k, j >= 0 && contacts[feet * t0 + k] ? matrix.compose(a, still, one) : nothing);
    });
    const ends = p.threads.geometry.attributes.position;
    slots.forEach((k, i) => {
      a.fromArray(targets, 3 * (8 * t0 + k)).toArray(ends.array, 6 * i);
      (p.keyJoints[k] < 0 ? b.copy(a) : b.fromArray(p.now, 3 * p.keyJoints[k])).toArray(ends.array, 6 * i + 3);
    });
    ends.needsUpdate = true;
    p.threads.geometry.setDrawRange(0, 2 * slots.length);
    p.threads.visible = state.marks.objectives && skeletons[p.n] === data; // what is asked is asked of the scene's rig
    p.path.visible = state.marks.path;
    p.rings.visible = state.marks.contacts && feet > 0;
    for (const mesh of [p.limbs, p.balls, p.rings]) mesh.instanceMatrix.needsUpdate = true;
  }
}

