using System.Threading.Channels;
using Beam.ML.Inference.Hosting;
using Beam.ML.Inference.Protocol;
using Grpc.Core;

namespace Beam.ML.Inference.Tests.Sharing;

public sealed class RequestStreamTests
{
    [Test]
    public async Task A_request_whose_answer_cannot_be_made_is_answered_with_an_error()
    {
        var responses = new Responses();
        await using var stream = new RequestStream(responses, limit: 1, CancellationToken.None);
        await stream.StartAsync(7, _ => throw new InvalidOperationException("Oops."));
        var response = await responses.Channel.Reader.ReadAsync().AsTask().WaitAsync(WorkerProcess.Patience);
        Assert.That((response.RequestId, response.Error.Message), Is.EqualTo((7UL, "Oops.")));
    }

    [Test]
    public async Task A_worker_that_sends_more_than_it_may_waits_and_its_other_requests_go_on()
    {
        var responses = new Responses();
        await using var stream = new RequestStream(responses, limit: 1, CancellationToken.None);
        var release = new TaskCompletionSource();
        for (ulong id = 0; id < 2; id++) await stream.StartAsync(id, Answer);
        var third = stream.StartAsync(2, Answer);
        Assert.That(third.IsCompleted, Is.False);
        release.SetResult();
        await third.WaitAsync(WorkerProcess.Patience);
        var answered = new List<ulong>();
        while (answered.Count < 3) answered.Add((await responses.Channel.Reader.ReadAsync().AsTask().WaitAsync(WorkerProcess.Patience)).RequestId);
        Assert.That(answered, Is.EquivalentTo(new ulong[] { 0, 1, 2 }));

        async Task<PredictResponse> Answer(CancellationToken cancellationToken)
        {
            await release.Task.WaitAsync(cancellationToken);
            return new PredictResponse();
        }
    }

    private sealed class Responses : IServerStreamWriter<PredictResponse>
    {
        public Channel<PredictResponse> Channel { get; } = System.Threading.Channels.Channel.CreateUnbounded<PredictResponse>();

        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(PredictResponse message) => WriteAsync(message, CancellationToken.None);

        public Task WriteAsync(PredictResponse message, CancellationToken cancellationToken) => Channel.Writer.WriteAsync(message, cancellationToken).AsTask();
    }
}
