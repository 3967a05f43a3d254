import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { embeddedStatus, stopEmbedded } from '@imhotep/postgres'
import { DestroyRefusedError } from '../errors.ts'
import type { DownData } from '../output/down.ts'
import type { Project } from '../project/project.ts'
import { embeddedDirectories } from '../target/resolve-url.ts'

export interface BringDownOptions {
  /** Also remove the data. */
  readonly destroy: boolean
  readonly confirm: (question: string) => Promise<boolean>
}

/**
 * Stops every embedded server of the project, and removes its state when asked to.
 * @throws DestroyRefusedError when removing the data was not confirmed; then nothing was stopped either
 */
export async function bringDown(project: Project, { destroy, confirm }: BringDownOptions): Promise<DownData> {
  const directories = embeddedDirectories(project)
  if (destroy && directories.length > 0 && !(await confirm(`remove '${project.state}' with every database in it?`))) {
    throw new DestroyRefusedError(project.state)
  }
  const servers: DownData['servers'][number][] = []
  for (const { directory, version } of directories) {
    const port = (await embeddedStatus(directory))?.port ?? null
    servers.push({ version, port, result: await stopEmbedded(directory) })
  }
  if (destroy) {
    for (const { directory } of directories) removeMovedData(directory)
    rmSync(project.state, { recursive: true, force: true })
  }
  return { servers, destroyed: destroy && directories.length > 0 }
}

/** Root's server keeps its data where the server's user can go, and the file `location` says where that is. */
function removeMovedData(directory: string): void {
  const pointer = join(directory, 'location')
  const moved = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : ''
  if (moved !== '') rmSync(moved, { recursive: true, force: true })
}
