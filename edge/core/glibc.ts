/**
 * Version of the GNU C library this process runs with, such as `2.36`; absent with another C library (musl) and on other systems.
 * Asking takes some 5 ms.
 */
export function readGlibcVersion(): string | undefined {
  const reporter: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
  // Without this the report resolves the name of every open socket, which may take seconds.
  reporter.excludeNetwork = true;
  const report: { header?: { glibcVersionRuntime?: string } } = reporter.getReport();
  return report.header?.glibcVersionRuntime;
}
