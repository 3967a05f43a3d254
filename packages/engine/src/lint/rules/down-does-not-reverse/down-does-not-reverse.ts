import { compareCatalogs, type Difference } from '../../../catalog/compare.ts'
import { foldStatement, startFold } from '../../../catalog/files.ts'
import type { Catalog } from '../../../catalog/model.ts'
import { compareVersions } from '../../../migrate/migration-file.ts'
import type { LintedFile, LintRule } from '../../rule.ts'

export const downDoesNotReverse: LintRule = {
  id: 'down-does-not-reverse',
  family: 'history',
  severity: 'error',
  effect: 'Who takes the version back gets a schema that never existed, and running it again may fail.',
  instead: 'Make the undo file drop and restore exactly what its version changed.',
  *checkFile(file, { history, serverVersion }) {
    if (file.name?.kind !== 'undo') return
    const version = file.name.version
    const forward = history.files.filter(({ name }) => name?.kind === 'versioned')
    const own = forward.find(({ name }) => name?.version === version)
    if (!own) {
      yield { object: null, message: `no file has version ${version}, which this one takes back` }
      return
    }
    const before = forward.filter(({ name }) => compareVersions(name?.version ?? '', version) < 0)
    const fold = (files: readonly LintedFile[]) => foldAll(files, serverVersion)
    const differences = compareCatalogs(fold(before), fold([...before, own, file]))
    if (differences.length === 0) return
    const [first, ...more] = differences.map(describe)
    yield {
      object: null,
      message: `after '${own.file}' and this file ${[first, ...more.slice(0, 4)].join('; ')}${more.length > 4 ? `; and ${more.length - 4} more` : ''}`,
      related: [{ file: own.file, line: 1, column: 1, message: 'the version that it takes back' }],
    }
  },
}

function foldAll(files: readonly LintedFile[], serverVersion: number): Catalog {
  const fold = startFold({ serverVersion })
  for (const file of files) for (const statement of file.statements) foldStatement(fold, statement, file)
  return fold.catalog
}

function describe({ object, kind, property }: Difference): string {
  if (kind === 'missing') return `${object} is gone`
  return kind === 'extra' ? `${object} is left over` : `${property} of ${object} is another`
}
