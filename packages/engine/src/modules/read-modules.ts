import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compareText } from './compare-text.ts'
import { requireCycle } from './dependency-order.ts'
import { ModuleError } from './module-error.ts'
import type { Module, ModuleFile, Separate } from './module.ts'

/**
 * Reads every module below a directory (each folder is one) and checks that they form a whole. The result is sorted by name.
 *
 * @throws ModuleError listing everything that is wrong.
 */
export async function readModules(directory: string): Promise<Module[]> {
  const problems: string[] = []
  const modules: Module[] = []
  for (const name of await folders(directory, problems)) {
    const module = await readModule(directory, name, problems)
    if (module) modules.push(module)
  }
  problems.push(...relationProblems(modules))
  if (problems.length > 0) throw new ModuleError(problems)
  return modules
}

async function folders(directory: string, problems: string[]): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    problems.push(`${directory}: cannot be read (${error.code ?? error.message})`)
    return []
  })
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .toSorted(compareText)
}

async function readModule(root: string, name: string, problems: string[]): Promise<Module | null> {
  const directory = join(root, name)
  const before = problems.length
  const manifest = await readManifest(directory, name, problems)
  const files = await readSqlFiles(root, name, problems)
  const system = await readSqlFiles(root, `${name}/seed/system`, problems)
  const demo = await readSqlFiles(root, `${name}/seed/demo`, problems)
  const separateFiles = await readSqlFiles(root, `${name}/separate`, problems)
  const hasReadme = (await readdir(directory)).includes('README.md')
  if (!manifest || problems.length > before) return null
  const { publishes, starts, ...described } = manifest
  const separate = { files: separateFiles, publishes, starts }
  return { name, ...described, directory, hasReadme, files, seeds: { system, demo }, separate }
}

type Manifest = Pick<Module, 'schema' | 'service' | 'requires' | 'cycles' | 'purpose'> & Omit<Separate, 'files'>

async function readManifest(directory: string, name: string, problems: string[]): Promise<Manifest | null> {
  const path = `${name}/module.json`
  const text = await readFile(join(directory, 'module.json'), 'utf8').catch(() => null)
  if (text === null) {
    problems.push(`${path}: is missing; each folder of modules needs {"schema", "service", "requires", "purpose"}`)
    return null
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    problems.push(`${path}: is not JSON: ${(error as Error).message}`)
    return null
  }
  const wrong = manifestProblems(json)
  problems.push(...wrong.map((problem) => `${path}: ${problem}`))
  if (wrong.length > 0) return null
  const { schema, service, requires, cycles = [], purpose, publishes = {}, starts = {} } = json as WrittenManifest
  return {
    schema,
    service,
    requires: [...requires].toSorted(compareText),
    cycles: [...cycles].toSorted(compareText),
    purpose,
    publishes,
    starts,
  }
}

type WrittenManifest = Pick<Manifest, 'schema' | 'service' | 'requires' | 'purpose'> & Partial<Manifest>

const MANIFEST_KEYS = ['schema', 'service', 'requires', 'purpose', 'cycles', 'publishes', 'starts']
const STARTS: readonly unknown[] = ['copied', 'fresh', 'projection']

function manifestProblems(json: unknown): string[] {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return ['must be one JSON object']
  const record = json as Record<string, unknown>
  const problems: string[] = []
  for (const key of ['schema', 'service', 'purpose']) {
    if (typeof record[key] !== 'string' || record[key] === '') problems.push(`"${key}" must be a text`)
  }
  if (!isTextList(record['requires'])) problems.push('"requires" must be a list of module names, [] for none')
  if (record['cycles'] !== undefined && !isTextList(record['cycles']))
    problems.push('"cycles" must be a list of module names')
  if (!isRecordOf(record['publishes'], isTextList))
    problems.push('"publishes" must map each table to a list of its columns')
  if (!isRecordOf(record['starts'], (start) => STARTS.includes(start)))
    problems.push(`"starts" must map each table to one of ${STARTS.join(', ')}`)
  for (const key of Object.keys(record)) {
    if (!MANIFEST_KEYS.includes(key)) problems.push(`"${key}" is unknown; known are ${MANIFEST_KEYS.join(', ')}`)
  }
  return problems
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isRecordOf(value: unknown, isValue: (value: unknown) => boolean): boolean {
  if (value === undefined) return true
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isValue)
}

const FILE_NAME = /^([0-9]{3})-([a-z0-9][a-z0-9_.-]*)\.sql$/

async function readSqlFiles(root: string, folder: string, problems: string[]): Promise<ModuleFile[]> {
  const entries = await readdir(join(root, folder)).catch(() => [])
  const names = entries.filter((name) => name.endsWith('.sql')).toSorted(compareText)
  // At once: one behind the other they take three times as long.
  const texts = await Promise.all(names.map((name) => readFile(join(root, folder, name), 'utf8')))
  const files: ModuleFile[] = []
  for (const [index, name] of names.entries()) {
    const path = `${folder}/${name}`
    const [, band = '', title = ''] = FILE_NAME.exec(name) ?? []
    if (!band) {
      problems.push(
        `${path}: must be named NNN-name.sql with three digits and lower-case letters, for example 100-name.sql`,
      )
      continue
    }
    // Line ends are normalised, so that a checkout with CRLF builds the same bytes.
    const text = (texts[index] ?? '').replaceAll('\r\n', '\n').replace(/^\ufeff/, '')
    const twin = files.find((file) => file.band === Number(band))
    if (twin) problems.push(`${path}: has the same number as ${twin.path}; give one of them another`)
    files.push({ path, band: Number(band), name: title, text })
  }
  return files
}

function relationProblems(modules: Module[]): string[] {
  const problems: string[] = []
  const names = new Set(modules.map((module) => module.name))
  const ownerOf = new Map<string, string>()
  for (const module of modules) {
    const other = ownerOf.get(module.schema)
    if (other)
      problems.push(`${module.name}/module.json: schema "${module.schema}" already belongs to module "${other}"`)
    ownerOf.set(module.schema, module.name)
    for (const required of module.requires) {
      if (!names.has(required))
        problems.push(`${module.name}/module.json: requires "${required}", which does not exist`)
    }
  }
  const cycle = requireCycle(modules)
  if (cycle) problems.push(`${cycle[0]}/module.json: requires itself through ${cycle.join(' -> ')}`)
  return problems
}
