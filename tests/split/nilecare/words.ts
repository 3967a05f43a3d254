export const givenNames = 'محمد أحمد فاطمة عائشة عثمان إبراهيم مريم خديجة الطيب آمنة يوسف هاجر بدر الدين سلمى'.split(
  ' ',
)
export const familyNames = 'البشير الحسن عبدالله النور الأمين حامد إدريس كرار الفاضل بابكر الزين سوار'.split(' ')
export const arabic = [
  'مراجعة بعد أسبوعين',
  'الحالة مستقرة، ولا توجد حمى',
  'صداع منذ ثلاثة أيام — يحتاج إلى فحص',
  'جرعة واحدة كل ٨ ساعات',
  'تم الاتصال بالأسرة ☎',
  'حساسية من البنسلين',
]
export const latin = [
  'stable, no fever',
  'see again in two weeks',
  'O\'Neil score "2"',
  'line one\nline two',
  'back\\slash and\ttab',
  'caffè, naïve, Ω 🩺',
  '',
  'ends with a full stop.',
]
export const resourceTypes = ['Patient', 'Encounter', 'Observation', 'MedicationRequest', 'Claim', 'DiagnosticReport']
