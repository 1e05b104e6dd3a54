using System.ComponentModel;
using System.Diagnostics;

namespace Beam.ML.Vllm.Server.Tests;

/// <summary>The commands of a manual, as a user types them.</summary>
public sealed class CurlTests
{
    [Test]
    public async Task Completes_and_streams()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ApiKeys = ["secret"] });
        var url = server.Server.Address!.ToString();
        var answer = await CurlAsync("-s", $"{url}v1/completions", "-H", "Content-Type: application/json", "-H", "Authorization: Bearer secret", "-d",
            """{"model": "tiny-gemma", "prompt": "What is the capital of France?", "max_tokens": 64, "temperature": 0}""");
        Assert.That(TestServer.Parse(answer).Text("choices", 0, "text"), Is.EqualTo(TestServer.Answer));
        var stream = await CurlAsync("-sN", $"{url}v1/chat/completions", "-H", "Content-Type: application/json", "-H", "Authorization: Bearer secret", "-d",
            """{"model": "tiny-gemma", "messages": [{"role": "user", "content": "What is the capital of France?"}], "stream": true, "temperature": 0}""");
        Assert.That(stream, Does.StartWith("data: {").And.EndsWith("data: [DONE]\n\n"));
        Assert.That(await CurlAsync("-s", "-o", "/dev/null", "-w", "%{http_code}", $"{url}v1/models"), Is.EqualTo("401"));
        Assert.That(await CurlAsync("-s", "-o", "/dev/null", "-w", "%{http_code}", $"{url}health"), Is.EqualTo("200"));
    }

    private static async Task<string> CurlAsync(params string[] arguments)
    {
        try
        {
            using var curl = Process.Start(new ProcessStartInfo("curl", arguments) { RedirectStandardOutput = true })!;
            var output = await curl.StandardOutput.ReadToEndAsync();
            await curl.WaitForExitAsync();
            Assert.That(curl.ExitCode, Is.Zero);
            return output;
        }
        catch (Win32Exception e)
        {
            Assert.Ignore($"curl is not installed: {e.Message}");
            throw;
        }
    }
}
