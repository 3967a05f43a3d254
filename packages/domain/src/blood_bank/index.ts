// Wrappers of the operations of schema/blood_bank.
export {}
