/** A copy of a mounted volume whose file system stands still meanwhile, and is let go whatever happens to us. */
import { run, succeeds } from './tools.ts'

/**
 * The shell thaws when it ends, also when this process is gone by then. A file system that shares blocks is copied in
 * an instant; elsewhere the container's writes wait for the copy.
 */
const script = `
trap 'fsfreeze --unfreeze "$1"' EXIT
fsfreeze --freeze "$1" || exit 1
cp --reflink=auto --sparse=always --no-preserve=all "$2" "$3"
`

export async function frozenCopy(point: string, from: string, to: string): Promise<void> {
  await run('sync', '--file-system', point)
  await run('sh', '-c', script, 'copy', point, from, to)
}

/** After a power cut in the middle nothing is frozen; after the death of every process of ours it might be. */
export const thaw = async (point: string): Promise<void> => {
  await succeeds('fsfreeze', '--unfreeze', point)
}
