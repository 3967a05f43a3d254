import { canonicalVersion } from '../../../migrate/migration-file.ts'
import { isDownOfBoth, type LintRule } from '../../rule.ts'

export const versionCollision: LintRule = {
  id: 'version-collision',
  family: 'history',
  severity: 'error',
  effect: 'Tools refuse the history, or run one of the two files and take the other for applied.',
  instead: 'Give the newer file the next free version.',
  *checkFile(file, { history }) {
    if (!file.name || isDownOfBoth(file)) return
    const { kind } = file.name
    const version = canonicalVersion(file.name.version)
    const first = history.files.find(({ name }) => name?.kind === kind && canonicalVersion(name.version) === version)
    if (!first || first.order >= file.order) return
    yield {
      object: null,
      message: `version ${file.name.version} is taken`,
      related: [{ file: first.file, line: 1, column: 1, message: `has version ${first.name?.version} as well` }],
    }
  },
}
