import { readFileSync } from 'node:fs'
import { ConfigError } from '../errors.ts'

export const CONFIG_FILE = 'imhotep.config.json'

/** What a project may settle in imhotep.config.json; every setting has a default. */
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
  /** Marker that `imhotep up` gives to a new database. Default `development`. */
  readonly environment?: string
}

const TEXTS = ['preset', 'migrations', 'schema', 'historyTable', 'environment']

/** @throws ConfigError when the file is no JSON object, or holds an unknown setting or a value of the wrong kind */
export function readConfig(file: string): Config {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new ConfigError(file, cause instanceof SyntaxError ? `not JSON: ${cause.message}` : 'cannot be read', {
      cause,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigError(file, 'not a JSON object')
  for (const [name, setting] of Object.entries(value)) {
    if (name === 'modules' ? !isTextList(setting) : TEXTS.includes(name) && typeof setting !== 'string') {
      throw new ConfigError(file, `'${name}' must be ${name === 'modules' ? 'a list of texts' : 'a text'}`)
    }
    if (name !== 'modules' && !TEXTS.includes(name)) throw new ConfigError(file, `unknown setting '${name}'`)
  }
  return value
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}
