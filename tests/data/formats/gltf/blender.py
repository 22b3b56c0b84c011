"""Blender 5.0 (`pip install bpy`): walk.bvh as glTF without and with a skin, as FBX, and that FBX as glTF."""

import bpy


def fresh() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for addon in ("io_anim_bvh", "io_scene_gltf2", "io_scene_fbx"):
        bpy.ops.preferences.addon_enable(module=addon)


fresh()
bpy.ops.import_anim.bvh(filepath="walk.bvh", global_scale=0.01, update_scene_duration=True)
bpy.context.scene.render.fps = 30
armature = bpy.context.object
bpy.ops.export_scene.gltf(filepath="blender-5.0.glb", export_format="GLB")
bpy.ops.mesh.primitive_cube_add(size=0.3)
cube = bpy.context.object
for bone in armature.data.bones:
    cube.vertex_groups.new(name=bone.name).add([0, 1, 2], 1.0, "ADD")
cube.parent = armature
cube.modifiers.new("armature", "ARMATURE").object = armature
bpy.ops.export_scene.gltf(filepath="blender-5.0-skin.glb", export_format="GLB")
bpy.ops.export_scene.fbx(filepath="blender.fbx", bake_anim=True, bake_anim_simplify_factor=0)
fresh()
bpy.ops.import_scene.fbx(filepath="blender.fbx")
bpy.ops.export_scene.gltf(filepath="blender-5.0-fbx.glb", export_format="GLB")
