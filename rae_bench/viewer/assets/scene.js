// ---- scene ----------------------------------------------------------------------------------------------------------
function trouble(words) {
  document.body.className = "ready";
  $("message").hidden = false;
  $("message").textContent = words;
}
let renderer;
try {
  renderer = new THREE.WebGLRenderer({ canvas: $("canvas"), antialias: true });
} catch (error) {
  trouble(`This page needs WebGL, which this browser does not offer (${error.message}).`);
  throw error;
}
renderer.setPixelRatio(Math.min(devicePixelRatio || 1, 2));
renderer.autoClear = false;
const h = data.size;
const scene = new THREE.Scene();
scene.fog = new THREE.Fog(0, 1, 2);
const eye = new THREE.PerspectiveCamera(36, 1, 0.01 * h, 100 * h);
const controls = new THREE.OrbitControls(eye, $("canvas"));
controls.enableDamping = true;
controls.dampingFactor = 0.15;
controls.maxPolarAngle = 0.495 * Math.PI;
controls.addEventListener("change", () => { stale = true; });
scene.add(new THREE.HemisphereLight(0xffffff, 0x888899, 2.2));
const sun = new THREE.DirectionalLight(0xffffff, 1.4);
sun.position.set(1, 3, 2);
scene.add(sun);
// One segment a cell: long lines that pass behind the eye are lost on some machines.
const lines = [];
for (let i = -40; i <= 40; i++) for (let k = -40; k < 40; k++) lines.push(i, 0, k, i, 0, k + 1, k, 0, i, k + 1, 0, i);
const grid = new THREE.LineSegments(new THREE.BufferGeometry().setAttribute("position",
  new THREE.BufferAttribute(new Float32Array(lines), 3)), new THREE.LineBasicMaterial());
grid.frustumCulled = false;
scene.add(grid);

const boneShape = new THREE.CylinderGeometry(0.006 * h, 0.014 * h, 1, 8).translate(0, 0.5, 0);
const ball = new THREE.SphereGeometry(0.016 * h, 12, 8);
const ringShape = new THREE.RingGeometry(0.028 * h, 0.042 * h, 24).rotateX(-Math.PI / 2);
const shade = new THREE.MeshBasicMaterial();
const people = data.characters.map((c, n) => {
  const { parents, contactJoints, keyJoints, root } = skeletons[n], joints = parents.length;
  const bones = parents.map((p, j) => [p, j]).filter(([p]) => p >= 0);
  const skin = new THREE.MeshLambertMaterial();
  const flat = new THREE.MeshBasicMaterial();
  const string = new THREE.LineBasicMaterial({ color: AMBER });
  const group = new THREE.Group();
  const limbs = new THREE.InstancedMesh(boneShape, skin, Math.max(bones.length, 1));
  const balls = new THREE.InstancedMesh(ball, skin, joints);
  const rings = new THREE.InstancedMesh(ringShape, flat, Math.max(contactJoints.length, 1));
  const path = new THREE.Line(new THREE.BufferGeometry(), new THREE.LineBasicMaterial());
  const threads = new THREE.LineSegments(new THREE.BufferGeometry().setAttribute("position",
    new THREE.BufferAttribute(new Float32Array(6 * 8), 3)), string);
  // The same bones pressed flat: what stands on the ground is seen to.
  const shadow = new THREE.InstancedMesh(boneShape, shade, Math.max(bones.length, 1));
  shadow.instanceMatrix = limbs.instanceMatrix;
  shadow.scale.y = 1e-4;
  shadow.position.y = 0.001 * h;
  for (const mesh of [limbs, balls, rings, path, threads, shadow]) { mesh.frustumCulled = false; group.add(mesh); }
  scene.add(group);
  return { n, joints, bones, contactJoints, keyJoints, root, group, limbs, balls, rings, path, threads, skin, flat, now: new Float32Array(3 * joints), centre: new THREE.Vector3() };
});
/** What is asked for is the same for every figure; a shape each for contact, keyframe and target. */
const glow = new THREE.MeshLambertMaterial({ color: AMBER });
const gems = [new THREE.RingGeometry(0.05 * h, 0.065 * h, 28).rotateX(-Math.PI / 2), new THREE.OctahedronGeometry(0.024 * h),
  new THREE.SphereGeometry(0.028 * h, 16, 10)].map((shape, k) => {
  const mesh = new THREE.InstancedMesh(shape, k ? glow : new THREE.MeshBasicMaterial({ color: AMBER }), 8);
  mesh.frustumCulled = false;
  scene.add(mesh);
  return mesh;
});
/** The path that is asked for: a line over the whole clip, and rings where the root is to be next. */
const asked = new THREE.Line(new THREE.BufferGeometry(), new THREE.LineBasicMaterial({ color: AMBER }));
asked.frustumCulled = false;
scene.add(asked);

