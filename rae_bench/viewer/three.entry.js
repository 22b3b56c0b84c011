// What viewer/template.html uses of three.js; docs/develop/architecture.md says how three.bundle.js is made of it.
export {
  BufferAttribute, BufferGeometry, CylinderGeometry, Fog, DirectionalLight, Group, HemisphereLight,
  InstancedMesh, Line, LineBasicMaterial, LineSegments, Matrix4, Mesh, MeshBasicMaterial, MeshLambertMaterial,
  PerspectiveCamera, Quaternion, RingGeometry, Scene, SphereGeometry, OctahedronGeometry, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
