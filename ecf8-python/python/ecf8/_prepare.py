"""Writing into a compressed folder's config.json that ecf8 loads it."""

import json
import os
import tempfile

METHOD = "ecf8"


def prepare(folder, *, keep_compressed: bool = True) -> None:
    """Has `from_pretrained` of a compressed folder use ecf8, by its config.json. `ecf8.decompress` restores that file.

    With `keep_compressed`, weights stay compressed in memory; without, they are decoded while they are loaded. Raises OSError
    if there is no config.json or it cannot be written.
    """
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    config = json.loads(text)
    quantization = config.get("quantization_config") or (config.get("text_config") or {}).get("quantization_config")
    if quantization and quantization.get("quant_method") == METHOD:
        quantization["keep_compressed"] = keep_compressed
    else:
        config["quantization_config"] = {
            "quant_method": METHOD,
            "inner": quantization,
            "keep_compressed": keep_compressed,
            "original_config": text,
        }
    # Under its name only when it is whole.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, prefix=".ecf8-", suffix=".tmp", delete=False) as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    os.chmod(file.name, os.stat(path).st_mode & 0o777)
    os.replace(file.name, path)
