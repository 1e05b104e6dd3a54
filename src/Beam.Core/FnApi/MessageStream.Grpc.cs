using System.Runtime.CompilerServices;
using Grpc.Core;

namespace Beam.FnApi;

internal static partial class MessageStream
{
    /// <summary>The client's end of a call. Disposing it cancels the call unless it has ended.</summary>
    public static IMessageStream<TResponse, TRequest> FromCall<TRequest, TResponse>(AsyncDuplexStreamingCall<TRequest, TResponse> call) =>
        new ClientEnd<TRequest, TResponse>(call);

    /// <summary>The server's end of a call, which ends when the server's method returns.</summary>
    public static IMessageStream<TRequest, TResponse> FromServer<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> responses) =>
        new ServerEnd<TRequest, TResponse>(requests, responses);

    private abstract class CallEnd<TRead, TWrite>(IAsyncStreamReader<TRead> reader, IAsyncStreamWriter<TWrite> writer) : IMessageStream<TRead, TWrite>
    {
        // A call takes one write at a time.
        private readonly SemaphoreSlim _writing = new(1, 1);
        private bool _completed;

        public async IAsyncEnumerable<TRead> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            while (await reader.MoveNext(cancellationToken)) yield return reader.Current;
        }

        public async ValueTask WriteAsync(TWrite message, CancellationToken cancellationToken = default)
        {
            await _writing.WaitAsync(cancellationToken);
            if (await WriteWholeAsync(message).WaitAsync(cancellationToken) is { } error) throw error;
        }

        public async ValueTask CompleteAsync(Exception? error = null)
        {
            await _writing.WaitAsync();
            try
            {
                if (_completed) return;
                _completed = true;
                await EndAsync(error);
            }
            catch (Exception e) when (e is RpcException or InvalidOperationException or IOException or OperationCanceledException)
            {
                // The peer has ended the call first.
            }
            finally
            {
                _writing.Release();
            }
        }

        // Cancelling a write ends its call. So whoever gives up only stops waiting; the error is the result because nobody may be there to see it.
        private async Task<IOException?> WriteWholeAsync(TWrite message)
        {
            try
            {
                if (_completed) return new IOException("The stream is closed.");
                await writer.WriteAsync(message, CancellationToken.None);
                return null;
            }
            catch (Exception e)
            {
                return new IOException($"The stream is broken: {e.Message}", e);
            }
            finally
            {
                _writing.Release();
            }
        }

        public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

        protected abstract Task EndAsync(Exception? error);
    }

    private sealed class ClientEnd<TRequest, TResponse>(AsyncDuplexStreamingCall<TRequest, TResponse> call)
        : CallEnd<TResponse, TRequest>(call.ResponseStream, call.RequestStream)
    {
        public override ValueTask DisposeAsync()
        {
            call.Dispose();
            return ValueTask.CompletedTask;
        }

        protected override Task EndAsync(Exception? error)
        {
            if (error is null) return call.RequestStream.CompleteAsync();
            call.Dispose(); // a client tells of an error by cancelling
            return Task.CompletedTask;
        }
    }

    private sealed class ServerEnd<TRequest, TResponse>(IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> responses)
        : CallEnd<TRequest, TResponse>(requests, responses)
    {
        protected override Task EndAsync(Exception? error) => Task.CompletedTask;
    }
}
