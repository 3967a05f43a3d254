import { existsSync, rmSync } from 'node:fs'
import { embeddedStatus, removeEmbedded, stopEmbedded } from '@imhotep/postgres'
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
  const destroyed = destroy && existsSync(project.state)
  if (destroyed && !(await confirm(`remove '${project.state}' with every database in it?`))) {
    throw new DestroyRefusedError(project.state)
  }
  const servers: DownData['servers'][number][] = []
  for (const { directory, version } of embeddedDirectories(project)) {
    const port = (await embeddedStatus(directory))?.port ?? null
    servers.push({ version, port, result: await (destroyed ? removeEmbedded(directory) : stopEmbedded(directory)) })
  }
  if (destroyed) rmSync(project.state, { recursive: true, force: true })
  return { servers, destroyed }
}
