import { describeTarget, embeddedStatus, startEmbedded } from '@imhotep/postgres'
import type { Project } from '../project/project.ts'
import {
  EMBEDDED_DATABASE,
  embeddedDirectories,
  embeddedDirectory,
  type EmbeddedVersion,
} from '../target/resolve-url.ts'
import { ensureDatabase } from '../target/ensure-database.ts'
import type { StepList } from './steps.ts'

/** Major version of a new embedded server. */
const DEFAULT_VERSION = 18

export interface ServerOptions {
  /** A server that is there already; the embedded one is then not used. */
  readonly url: string | undefined
  readonly version: EmbeddedVersion | undefined
  readonly port: number | undefined
  readonly progress: (text: string) => void
}

/**
 * The URL of the database, after the server was started and the database created where that was still to do. `onCreating`
 * is called when another process makes a new server and this one has to wait.
 */
export async function openServer(
  project: Project,
  options: ServerOptions,
  steps: StepList,
  onCreating: () => void,
): Promise<string> {
  const { url, port, progress } = options
  if (url !== undefined) {
    const { host, port: itsPort } = describeTarget(url)
    steps.leaveOut('server', `${host}:${itsPort}, named by --url or DATABASE_URL`)
    return url
  }
  const version = options.version ?? (await existingVersion(project)) ?? DEFAULT_VERSION
  const directory = embeddedDirectory(project, version)
  const server = await steps.run(
    'server',
    () =>
      startEmbedded({ directory, version, onProgress: progress, onCreating, ...(port === undefined ? {} : { port }) }),
    ({ created, adopted, port: itsPort, version: itsVersion }) => ({
      state: created ? 'new' : 'already there',
      detail: `PostgreSQL ${itsVersion} on 127.0.0.1:${itsPort}, ${adopted ? 'was running' : 'started'}`,
    }),
  )
  await steps.run(
    'database',
    () => ensureDatabase(server.url('postgres'), EMBEDDED_DATABASE),
    (isNew) => ({ state: isNew ? 'new' : 'already there', detail: EMBEDDED_DATABASE }),
  )
  return server.url(EMBEDDED_DATABASE)
}

/** True when `openServer` will make an embedded server that is not there yet. */
export async function isNewServer(project: Project, { url }: ServerOptions): Promise<boolean> {
  return url === undefined && (await existingVersion(project)) === undefined
}

/** A project that began on PostgreSQL 15 stays on it until it is told otherwise, and a start that failed does not tell it. */
async function existingVersion(project: Project): Promise<EmbeddedVersion | undefined> {
  for (const { directory, version } of embeddedDirectories(project)) {
    if ((await embeddedStatus(directory)) !== null) return version
  }
  return undefined
}
