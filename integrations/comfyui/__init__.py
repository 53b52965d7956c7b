"""Nodes of ComfyUI for models that are compressed by ecf8.

**Not run here**: written to ComfyUI's source of October 2025. Copy or link this folder into `ComfyUI/custom_nodes/ecf8`, and install
`ecf8` into ComfyUI's Python.

- All loaders read containers, because `ecf8.patch()` replaces safetensors' `safe_open`.
- `Load Diffusion Model (ecf8)` also keeps the weights compressed in memory. ComfyUI's own moving of weights ("dynamic VRAM") is off for
  this model, and LoRAs that write into weights are refused: use those that add to outputs ("bypass", "hook").
"""

import comfy.model_management
import comfy.sd
import folder_paths

import ecf8
import ecf8.torch

ecf8.patch()


class LoadDiffusionModel:
    """A diffusion model whose weights stay compressed, and are decoded block by block before use."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": (folder_paths.get_filename_list("diffusion_models"),)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "load"
    CATEGORY = "advanced/loaders"

    def load(self, name):
        path = folder_paths.get_full_path_or_raise("diffusion_models", name)
        model = comfy.sd.load_diffusion_model_state_dict(ecf8.torch.load_file(path))
        if model is None:
            raise RuntimeError(f"{path}: ComfyUI does not know this model")
        device = comfy.model_management.get_torch_device()
        # All of the model goes to where it runs, as only its compressed weights are to take memory there.
        diffusion = model.model.diffusion_model
        ecf8.torch.compress(diffusion, dtypes=ecf8.torch.FLOATS, device=device)
        diffusion.to(device)
        model.load_device = model.offload_device = device
        return (model,)


NODE_CLASS_MAPPINGS = {"Ecf8LoadDiffusionModel": LoadDiffusionModel}
NODE_DISPLAY_NAME_MAPPINGS = {"Ecf8LoadDiffusionModel": "Load Diffusion Model (ecf8)"}
