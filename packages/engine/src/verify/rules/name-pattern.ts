import { namesIn, type Named } from '../named-objects.ts'
import { defineRule } from '../rule.ts'

export const namePattern = defineRule<Named & { readonly pattern: string }>({
  id: 'name-pattern',
  family: 'structure',
  severity: 'warning',
  effect: 'Nobody can guess a name: queries, grants and reviews are made by looking it up.',
  instead: 'Rename it (alter .. rename to ..) while nothing uses it, or widen namePatterns in the policy.',
  *subjects(context) {
    const { namePatterns } = context.policy
    if (Object.keys(namePatterns).length === 0) return
    for (const named of namesIn(context)) {
      const pattern = namePatterns[named.kind]
      if (pattern !== undefined) yield { ...named, pattern }
    }
  },
  *check({ kind, name, object, position, pattern }) {
    if (new RegExp(pattern).test(name)) return
    yield { object, message: `${kind} '${name}' does not fit /${pattern}/`, position: position }
  },
})
