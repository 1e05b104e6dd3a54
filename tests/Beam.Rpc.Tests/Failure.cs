using Grpc.Core;

namespace Beam.Rpc.Tests;

internal static class Failure
{
    /// <summary>The failure that the call ends with; it is an error of the test if it succeeds.</summary>
    public static async Task<RpcException> OfAsync(Func<Task> call) => (await Assert.ThrowsAsync<RpcException>(async () => await call()))!;
}
