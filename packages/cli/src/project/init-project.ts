import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { InitData } from '../output/init.ts'
import { BUNDLE_FILE, bundleProject, replaceFile } from './bundle-project.ts'
import { CONFIG_FILE, type Config } from './config.ts'
import { describeProject, packagedModules } from './project.ts'
import type { Selection } from './selected-modules.ts'

export interface InitOptions {
  readonly cwd: string
  /** Relative to `cwd`; made when it is missing. */
  readonly directory: string
  readonly selection: Selection
  readonly environment: string | undefined
}

const CI_FILE = '.github/workflows/database.yml'

const CI_TEXT = `# Every change of db/migration is tried on an empty server before it is merged.
name: database
on: [push, pull_request]
jobs:
  migrations:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 20 }
      - run: npm ci
      - run: npx imhotep up --environment test
      - run: npx imhotep verify --attack
`

/** Makes a directory a project that uses Imhotep. A file that is there already is kept as it is, whatever it says. */
export async function initProject({ cwd, directory, selection, environment }: InitOptions): Promise<InitData> {
  const root = resolve(cwd, directory)
  mkdirSync(root, { recursive: true })
  const config: Config = {
    ...(selection.modules === undefined ? {} : { modules: selection.modules }),
    ...(selection.preset === undefined ? {} : { preset: selection.preset }),
    migrations: 'db/migration',
    ...(environment === undefined ? {} : { environment }),
  }
  const project = { ...describeProject(root, config), modules: packagedModules() }

  // The bundle comes first: an unknown module is told before anything is written.
  const script = join('db', 'migration', BUNDLE_FILE)
  const isThere = existsSync(join(root, script))
  const { modules } = await bundleProject(project, { cwd: root, check: isThere, selection })
  return {
    directory: root,
    modules,
    files: [
      { file: script, state: isThere ? 'already there' : 'new' },
      writeOnce(root, CONFIG_FILE, `${JSON.stringify(config, null, 2)}\n`),
      ignoreState(root),
      writeOnce(root, CI_FILE, CI_TEXT),
    ],
  }
}

function writeOnce(root: string, file: string, text: string): InitData['files'][number] {
  if (existsSync(join(root, file))) return { file, state: 'already there' }
  replaceFile(join(root, file), text)
  return { file, state: 'new' }
}

/** The server's data and the credentials are never committed. */
function ignoreState(root: string): InitData['files'][number] {
  const file = '.gitignore'
  const path = join(root, file)
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (/^\/?\.imhotep\/?$/m.test(text)) return { file, state: 'already there' }
  replaceFile(path, `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}.imhotep/\n`)
  return { file, state: 'new' }
}
