namespace Beam.ML.Inference.Tests.Sharing;

public sealed class ElectionTests
{
    [TestCase(1)]
    [TestCase(2)]
    public async Task However_many_workers_contend_there_are_exactly_as_many_hosts_as_copies(int copies)
    {
        using var folder = new TemporaryFolder();
        await using var sampler = new HostSampler(folder.Path);
        var workers = Enumerable.Range(1, 6).Select(i => new WorkerProcess(folder.Path, $"worker-{i}", copies, requests: 40)).ToArray();
        try
        {
            var reports = await Task.WhenAll(workers.Select(worker => worker.ReportAsync()));
            Assert.That(reports, Is.All.StartsWith("answered 40 of 40, wrong 0, hosts "));
            var answering = reports.SelectMany(report => report[(report.IndexOf("hosts ", StringComparison.Ordinal) + 6)..].Split(' ')).ToHashSet();
            var records = Hosts.Of(folder.Path);
            Assert.That(records, Has.Count.EqualTo(copies));
            Assert.That(records, Is.All.Matches<Inference.Sharing.HostRecord>(record => record is { IsReady: true, Generation: 1 }));
            Assert.That(answering, Is.SubsetOf(records.Select(record => $"{record.ProcessId}")));
            if (OperatingSystem.IsLinux()) Assert.That(Hosts.ProcessesOf(folder.Path), Has.Count.EqualTo(workers.Length + copies));

            await Task.WhenAll(workers.Select(worker => worker.StopAsync()));
            foreach (var record in records) await Hosts.AssertGoneAsync(record.ProcessId);
            await Hosts.AssertNothingIsLeftAsync(folder.Path);
            Assert.That(sampler.Twins, Is.Empty);
        }
        finally
        {
            foreach (var worker in workers) await worker.DisposeAsync();
        }
    }
}
