import { readFileSync } from 'node:fs'
import type { Severity, VerifyPolicy } from '@imhotep/engine'
import { ConfigError } from '../errors.ts'
import { checkConfig } from './check-config.ts'
import { loadModule } from './load-module.ts'

/** Written by `imhotep init`. */
export const CONFIG_FILE = 'imhotep.config.json'

/** Names that the file may have, in the order in which they are looked for. */
export const CONFIG_FILES = ['imhotep.config.ts', 'imhotep.config.mjs', 'imhotep.config.js', CONFIG_FILE]

/** What a project may settle in its config file (imhotep.schema.json); every setting has a default. */
export interface Config {
  /** Modules that the project uses; what they require comes with them. Everything when neither this nor preset is given. */
  readonly modules?: readonly string[]
  /** A named list of modules: `clinic`, `hospital`. */
  readonly preset?: string
  /** Directory of the migrations, relative to the file. Default `db/migration`. */
  readonly migrations?: string
  /** Directory of the modules, relative to the file. Default `schema`, else the modules that come with Imhotep. */
  readonly schema?: string
  /** `schema.table` that records what was applied. Default `core.schema_migrations`. */
  readonly historyTable?: string
  /** Values of `${name}` in the migrations; a value that is not the same everywhere comes from `--placeholder`. */
  readonly placeholders?: Readonly<Record<string, string>>
  /** Marker that `imhotep up` gives to a new database. Default `development`. */
  readonly environment?: string
  readonly lint?: LintConfig
  /** What the schema promises, where that differs from the conventions of Imhotep's own. */
  readonly policy?: Partial<VerifyPolicy>
}

export interface LintConfig {
  /** `all` adds the rules of style. */
  readonly profile?: 'default' | 'all'
  /** Another severity for a rule, or off. */
  readonly rules?: Readonly<Record<string, Severity | 'off'>>
  /** Files that are read and not judged; `*` stands for any text. */
  readonly ignore?: readonly string[]
  /** Versions up to this one are read and not judged; or a revision of git. */
  readonly since?: string
  /** Major version of PostgreSQL. */
  readonly serverVersion?: number
  /** File of findings that were there when the rules came, relative to the config file. */
  readonly knownFindings?: string
}

/** @throws ConfigError when the file cannot be read or loaded, or holds what imhotep.schema.json does not allow */
export function readConfig(file: string): Config {
  const { $schema: _, ...config } = checkConfig(file, file.endsWith('.json') ? readJson(file) : loadModule(file))
  return config
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? `not JSON: ${cause.message}` : 'cannot be read'
    throw new ConfigError(file, reason, { cause })
  }
}
