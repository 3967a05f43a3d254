import { ImhotepError, type ExitCode } from '@imhotep/base'

/** The embedded server could not be created, started or stopped. */
export class EmbeddedServerError extends ImhotepError {
  readonly code: `IMH_${string}` = 'IMH_EMBEDDED_SERVER'
  override readonly exitCode: ExitCode = 2
}

/** The port that was asked for belongs to another program. */
export class PortBusyError extends EmbeddedServerError {
  override readonly code = 'IMH_PORT_BUSY'
  readonly port: number

  constructor(port: number) {
    super(`port ${port} of 127.0.0.1 is in use`, {
      hint: 'stop the program that listens there, choose another port, or name none: a free one is taken then',
    })
    this.port = port
  }
}

/** The server programs of this version are not installed, or cannot run here. */
export class BinariesMissingError extends EmbeddedServerError {
  override readonly code = 'IMH_BINARIES_MISSING'
}

/** The data directory was made by another major version of PostgreSQL. */
export class ClusterVersionError extends EmbeddedServerError {
  override readonly code = 'IMH_CLUSTER_VERSION'
  readonly found: number
  readonly asked: number

  constructor(data: string, found: number, asked: number) {
    super(`'${data}' was made by PostgreSQL ${found}, PostgreSQL ${asked} cannot read it`, {
      hint: `start version ${found}, or use another directory for version ${asked} and carry the data over`,
    })
    this.found = found
    this.asked = asked
  }
}

const diskTrouble: readonly [RegExp, string, string][] = [
  [/ENOSPC|No space left on device/i, 'the disk is full', 'free some space (about 200 MB) and run it again'],
  [/EDQUOT|Disk quota exceeded/i, 'the disk quota is used up', 'free some space (about 200 MB) and run it again'],
  [/EROFS|Read-only file system/i, 'the file system is read-only', 'choose a directory that can be written'],
  [
    /EACCES|EPERM|Permission denied|Operation not permitted/i,
    'permission was denied',
    'choose a directory of your own, or run this as the user who owns it',
  ],
]

/** Puts an error of the operating system, or of a program that met one, into words; undefined when it is none of the known. */
export function explainDisk(directory: string, text: string, cause?: unknown): EmbeddedServerError | undefined {
  const trouble = diskTrouble.find(([pattern]) => pattern.test(text))
  if (trouble === undefined) return undefined
  const [, what, hint] = trouble
  return new EmbeddedServerError(`the embedded server cannot use '${directory}': ${what}`, { hint, cause })
}
