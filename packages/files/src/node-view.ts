import { readFile, stat, statfs } from 'node:fs/promises';

/**
 * File systems on local block devices, identified by the number that `statfs` reports: ext2 to
 * ext4, XFS, Btrfs, ZFS, F2FS and bcachefs. Only one kernel at a time can mount such a file system.
 */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0xca451a4e,
]);
const LOCAL = '-local';

/**
 * Returns a description of how this process reaches a folder. The description identifies the
 * current boot of the kernel and the device of the folder's file system, and states whether that
 * file system is local. It is short enough for a file name.
 *
 * A Unix socket can be reached only through the kernel and the file system on which its process
 * listens. A process on another machine, or behind a FUSE or overlay mount, sees the same socket
 * file. If such a process connects to the socket, its connection is refused as if the process
 * behind the socket were dead.
 */
export async function viewOf(folder: string): Promise<string> {
  const [boot, { dev }, { type }] = await Promise.all([bootId(), stat(folder, { bigint: true }), statfs(folder)]);
  const isLocal = process.platform === 'linux' && LOCAL_FILE_SYSTEMS.has(type);
  return `${boot}-${dev.toString(16)}${isLocal ? LOCAL : '-other'}`;
}

/**
 * Returns whether a refused connection proves that the process behind a socket is dead. `owner` is
 * the view of that process, and `mine` the view of this process.
 *
 * - If both views are the same, the kernel of that process has refused the connection.
 * - A local file system is mounted by one kernel at a time. If both views are of a local file
 *   system, both processes run on that kernel, or the machine has since restarted or remounted the
 *   disk.
 */
export function provesDeath(owner: string, mine: string): boolean {
  return owner === mine || (owner.endsWith(LOCAL) && mine.endsWith(LOCAL));
}

/**
 * Returns 48 random bits that Linux draws when it boots. Returns an empty string on other systems.
 */
async function bootId(): Promise<string> {
  const id = await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '');
  return id.replaceAll('-', '').slice(0, 12);
}
