/** The operations of schema/blood_bank that an application may call. */
export const bloodBankOperations = {} as const
