// three.js 0.187 (npm install three): walk.bvh by BVHLoader and GLTFExporter, in metres.
import fs from "fs";
import * as THREE from "three";
import { GLTFExporter } from "three/examples/jsm/exporters/GLTFExporter.js";
import { BVHLoader } from "three/examples/jsm/loaders/BVHLoader.js";

globalThis.FileReader = class {
  readAsArrayBuffer(blob) {
    blob.arrayBuffer().then((result) => { this.result = result; this.onloadend(); });
  }
};
const { skeleton, clip } = new BVHLoader().parse(fs.readFileSync("walk.bvh", "utf8"));
const scene = new THREE.Scene();
const group = new THREE.Group();
group.scale.setScalar(0.01);
group.add(skeleton.bones[0]);
scene.add(group);
const made = await new GLTFExporter().parseAsync(scene, { binary: true, animations: [clip] });
fs.writeFileSync("three-0.187.glb", Buffer.from(made));
