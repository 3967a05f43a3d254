import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { before, describe, test } from 'node:test'
import {
  checkOwnerMap,
  findDependencies,
  fromGeneralLog,
  knownTables,
  printMap,
  readOwnerMap,
  suggestMap,
  type CheckedOwnerMap,
  type Findings,
  type SharedCatalog,
} from '@imhotep/split'
import { nilecareFolder } from './nilecare/install.ts'
import { plantedObjects, plantedStatements, plantedUnknown, type Planted } from './nilecare/planted.ts'
import { readNilecareCatalog } from './nilecare/read-catalog.ts'

describe('NileCare', () => {
  let catalog: SharedCatalog
  let map: CheckedOwnerMap
  let findings: Findings

  before(async () => {
    catalog = await readNilecareCatalog()
    const file = `${nilecareFolder}nilecare.yaml`
    map = checkOwnerMap(readOwnerMap(await readFile(file, 'utf8'), file), catalog, { source: 'nilecare' })
    const lines = createInterface({ input: createReadStream(`${nilecareFolder}general.log`) })
    const statements = [fromGeneralLog(lines, 'general.log')]
    findings = await findDependencies({ catalog, dialect: 'mariadb', map, statements })
  })

  test('checkOwnerMap: accepts the map of NileCare: 17 services, 87 tables, an orchestrator without a database', () => {
    assert.equal(map.services.length, 17)
    assert.equal(map.tables.length, 87)
    assert.deepEqual(
      map.services.filter(({ database }) => database === null).map(({ name }) => name),
      ['orchestrator'],
    )
    assert.equal(map.services.find(({ name }) => name === 'lab')?.database, 'nilecare_lab')
  })

  test('findDependencies: finds every planted view, routine, trigger and event, and no other', () => {
    const kinds = ['view', 'function', 'procedure', 'trigger', 'event', 'generated column']

    const found = groups(
      (dependency) => kinds.includes(dependency.kind),
      ({ from }) => nameOf(from.object),
    )

    assert.deepEqual(found, sorted(plantedObjects))
    assert.equal(Object.keys(found).length, 34)
  })

  test('findDependencies: finds every planted statement of the log, and no other', () => {
    const found = groups(
      ({ kind }) => kind === 'statement',
      ({ evidence }) => evidence[0]?.replace('general.log:', '') ?? '',
    )

    assert.deepEqual(found, sorted(plantedStatements))
    assert.equal(findings.looked['statements'], 31)
  })

  test('findDependencies: finds exactly the foreign keys whose ends have two owners', () => {
    const owner = new Map(map.tables.map(({ table, owner }) => [table.name, owner]))
    const expected = catalog.tables.flatMap(({ name, foreignKeys }) =>
      foreignKeys
        .filter(
          ({ references }) =>
            owner.get(references.name) !== 'shared-read' && owner.get(references.name) !== owner.get(name),
        )
        .map((key) => `nilecare.${name}.${key.name}`),
    )

    const found = findings.dependencies.filter(({ kind }) => kind === 'foreign key').map(({ from }) => from.object)

    assert.deepEqual(found.toSorted(), expected.toSorted())
    assert.equal(found.length, 66)
  })

  test('findDependencies: what nobody can tell is unknown, with its reason', () => {
    assert.deepEqual(
      findings.unknown.map(({ object, reason }) => [nameOf(object), reason]),
      plantedUnknown.map((name) => [name, 'it runs SQL that is computed']),
    )
  })

  test('findDependencies: never shows the value of a row', () => {
    assert.doesNotMatch(JSON.stringify(findings), /MRN-|4711|TRA-9|DRU-1|150\.00/)
  })

  test('suggestMap: proposes a total map of NileCare that agrees with people on most tables', async () => {
    const known = await knownTables('schema')
    const suggested = suggestMap(catalog, known)
    const withKey = { tables: catalog.tables.filter(({ primaryKey }) => primaryKey.length > 0) }

    const total = checkOwnerMap(readOwnerMap(printMap(suggestMap(withKey, known)), 'suggested.yaml'), withKey, {
      source: 'x',
    })

    assert.equal(total.tables.length, 86)
    const owner = new Map(map.tables.map(({ table, owner }) => [table.name, owner]))
    const same = suggested.tables.filter((one) => owner.get(one.table.name) === one.owner)
    assert.ok(same.length >= 75, `${same.length} of 87 tables have the owner that people gave them`)
  })

  /** `{ object: { from, to } }` of the findings that are wanted. */
  function groups(
    isWanted: (dependency: Findings['dependencies'][number]) => boolean,
    nameOf: (dependency: Findings['dependencies'][number]) => string,
  ): Record<string, Planted> {
    const found: Record<string, { from: string; to: string[] }> = {}
    for (const dependency of findings.dependencies.filter(isWanted)) {
      const group = (found[nameOf(dependency)] ??= { from: dependency.from.service, to: [] })
      group.to.push(dependency.to.table.name)
    }
    for (const group of Object.values(found)) group.to.sort()
    return sorted(found)
  }
})

function sorted(planted: Readonly<Record<string, Planted>>): Record<string, Planted> {
  return Object.fromEntries(Object.entries(planted).toSorted(([a], [b]) => a.localeCompare(b)))
}

function nameOf(object: string): string {
  return object.replace(/ on .*$/, '').replace(/^.*\./, '')
}
