import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { ProjectNotFoundError } from '../errors.ts'
import { CONFIG_FILES, readConfig, type Config } from './config.ts'

/** A directory that uses Imhotep: this repository, or one made by `imhotep init`. */
export interface Project {
  readonly root: string
  readonly config: Config
  /** Directory of the migrations. */
  readonly migrations: string
  /** The same with how they are filled and recorded, as the functions of the engine take it. */
  readonly history: {
    readonly directory: string
    readonly historyTable: string | undefined
    readonly placeholders: Readonly<Record<string, string>> | undefined
  }
  /** Directory of the modules. */
  readonly modules: string
  /** Where the embedded server and the credentials live; never committed. */
  readonly state: string
}

/**
 * The nearest directory, from `start` upwards, that has db/migration or a config file.
 * @throws ProjectNotFoundError, ConfigError
 */
export function findProject(start: string): Project {
  for (let directory = resolve(start); ; directory = dirname(directory)) {
    const config = CONFIG_FILES.map((name) => join(directory, name)).find((file) => existsSync(file))
    if (config !== undefined) return describeProject(directory, readConfig(config))
    if (isDirectory(join(directory, 'db', 'migration'))) return describeProject(directory, {})
    if (directory === dirname(directory)) throw new ProjectNotFoundError(start)
  }
}

export function describeProject(root: string, config: Config): Project {
  const migrations = resolve(root, config.migrations ?? 'db/migration')
  return {
    root,
    config,
    migrations,
    history: { directory: migrations, historyTable: config.historyTable, placeholders: config.placeholders },
    modules: modulesDirectory(root, config),
    state: join(root, '.imhotep'),
  }
}

/** The project's own modules where it has some, else the ones that come with Imhotep. */
function modulesDirectory(root: string, config: Config): string {
  if (config.schema !== undefined) return resolve(root, config.schema)
  const own = join(root, 'schema')
  return existsSync(join(own, 'core', 'module.json')) ? own : packagedModules()
}

/** The config file of the project around a directory; nothing outside a project: a database can be named without one. */
export function configAround(start: string): Config {
  try {
    return findProject(start).config
  } catch (error) {
    if (error instanceof ProjectNotFoundError) return {}
    throw error
  }
}

/** `schema/` of the repository, or the copy of it inside the published package. */
export function packagedModules(): string {
  const own = dirname(createRequire(import.meta.url).resolve('imhotep/package.json'))
  const inside = join(own, 'schema')
  return existsSync(inside) ? inside : join(own, '../../schema')
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
