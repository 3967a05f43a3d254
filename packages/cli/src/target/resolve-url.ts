import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { embeddedStatus, startEmbedded } from '@imhotep/postgres'
import type { Context } from '../context.ts'
import { ServerNotRunningError } from '../errors.ts'
import { findProject, type Project } from '../project/project.ts'

/** Major versions that can be embedded. */
export const EMBEDDED_VERSIONS = [15, 16, 17, 18] as const

export type EmbeddedVersion = (typeof EMBEDDED_VERSIONS)[number]

/** The database that the embedded server holds. */
export const EMBEDDED_DATABASE = 'imhotep'

/**
 * The database a command works on: `--url`, else DATABASE_URL, else the running embedded server of the project.
 * @throws ServerNotRunningError, ProjectNotFoundError
 */
export async function resolveUrl(context: Context): Promise<string> {
  const given = givenUrl(context)
  if (given !== undefined) return given
  const project = findProject(context.cwd)
  for (const { directory, version } of embeddedDirectories(project)) {
    const status = await embeddedStatus(directory)
    if (status?.running !== true) continue
    const server = await startEmbedded({ directory, version }) // adopts the one that runs
    return server.url(EMBEDDED_DATABASE)
  }
  throw new ServerNotRunningError(project.root)
}

export function givenUrl(context: Context): string | undefined {
  return context.options.text('url') || context.env['DATABASE_URL'] || undefined
}

/** The directories of the project's embedded servers, one for each major version, newest first. */
export function embeddedDirectories(project: Project): { directory: string; version: EmbeddedVersion }[] {
  return EMBEDDED_VERSIONS.map((version) => ({ directory: embeddedDirectory(project, version), version }))
    .filter(({ directory }) => existsSync(directory))
    .toReversed()
}

export function embeddedDirectory(project: Project, version: EmbeddedVersion): string {
  return join(project.state, `postgres-${version}`)
}
