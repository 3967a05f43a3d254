/** The operations of schema/abdm that an application may call. */
export const abdmOperations = {} as const
