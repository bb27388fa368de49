// A small disk in memory, mounted for a directory, that can be filled and freed. Only root may mount.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, statSync, statfsSync } from "node:fs";
import { join } from "node:path";

export const canMount = () => process.getuid() === 0 && process.platform === "linux";

export class Disk {
  constructor(path, mebibytes) {
    mkdirSync(path, { recursive: true });
    this.path = path;
    this.ballast = join(path, "ballast");
    if (canMount()) {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=711`, "cronium-chaos", path]);
      this.mounted = true;
    }
  }

  /** Takes all the room that is left. */
  fill() {
    // Others write meanwhile: what was free a moment ago may not be any more.
    for (let turn = 0; turn < 5; turn += 1) {
      const { bavail, bsize } = statfsSync(this.path);
      if (bavail === 0) return;
      const taken = existsSync(this.ballast) ? statSync(this.ballast).size : 0;
      spawnSync("fallocate", ["--offset", String(taken), "--length", String(bavail * bsize), this.ballast]);
    }
  }

  free() {
    rmSync(this.ballast, { force: true });
  }

  remove() {
    if (this.mounted) execFileSync("umount", ["--lazy", this.path]);
    this.mounted = false;
  }
}
