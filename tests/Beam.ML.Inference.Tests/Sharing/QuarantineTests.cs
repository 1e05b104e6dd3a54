using Beam.ML.Inference.Sharing;

namespace Beam.ML.Inference.Tests.Sharing;

public sealed class QuarantineTests
{
    [TestCase(2, 16)]
    [TestCase(3, 4)]
    [TestCase(4, 1)]
    [TestCase(9, 1)]
    public async Task The_more_hosts_requests_have_lost_the_fewer_of_them_are_sent_at_a_time(int losses, int together)
    {
        using var folder = new TemporaryFolder();
        using var quarantine = new Quarantine(Path.Combine(folder.Path, "lock"), maxAttempts: 10);
        var entries = Enumerable.Range(0, together + 1).Select(_ => quarantine.EnterAsync(losses, CancellationToken.None)).ToArray();
        await Task.WhenAll(entries[..together]);
        Assert.That(entries[together].IsCompleted, Is.False);
        Assert.That((await entries[0]).IsAlone, Is.EqualTo(together == 1));
        (await entries[0]).Dispose();
        (await entries[together]).Dispose();
    }

    [Test]
    public async Task Answers_to_suspects_make_room_for_the_others_until_a_host_is_lost_and_never_for_the_last_two_attempts()
    {
        using var folder = new TemporaryFolder();
        using var quarantine = new Quarantine(Path.Combine(folder.Path, "lock"), maxAttempts: 10);
        Assert.That(await IsAloneAsync(6));
        for (var i = 0; i < 10; i++) quarantine.Trust();
        Assert.That(await IsAloneAsync(6), Is.False);
        Assert.That(await IsAloneAsync(8) && await IsAloneAsync(9));
        quarantine.Distrust();
        Assert.That(await IsAloneAsync(6));

        async Task<bool> IsAloneAsync(int losses)
        {
            using var place = await quarantine.EnterAsync(losses, CancellationToken.None);
            return place.IsAlone;
        }
    }

    [Test]
    public async Task Requests_that_lost_one_host_at_most_pass_freely()
    {
        using var folder = new TemporaryFolder();
        using var quarantine = new Quarantine(Path.Combine(folder.Path, "lock"), maxAttempts: 10);
        using var alone = await quarantine.EnterAsync(5, CancellationToken.None);
        foreach (var losses in new[] { 0, 1 }) Assert.That((await quarantine.EnterAsync(losses, CancellationToken.None)).IsAlone, Is.False);
    }

    [Test]
    public async Task Suspects_of_two_workers_are_not_sent_at_a_time_and_who_gives_up_leaves_no_trace()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "lock");
        using var first = new Quarantine(path, maxAttempts: 10);
        using var second = new Quarantine(path, maxAttempts: 10);
        var held = await first.EnterAsync(4, CancellationToken.None);
        using var cancellation = new CancellationTokenSource();
        var given = second.EnterAsync(4, cancellation.Token);
        var waiting = second.EnterAsync(4, CancellationToken.None);
        await cancellation.CancelAsync();
        Assert.That(() => given, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(waiting.IsCompleted, Is.False);
        held.Dispose();
        (await waiting.WaitAsync(WorkerProcess.Patience)).Dispose();
    }
}
