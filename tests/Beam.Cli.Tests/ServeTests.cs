using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Beam.Cli.Hosting;

namespace Beam.Cli.Tests;

public sealed class ServeTests
{
    [Test]
    public async Task The_model_is_served_until_an_interrupt()
    {
        var interrupts = new Interrupts();
        var output = new FirstLine();
        using var error = new StringWriter();
        using var host = new CliHost(TextReader.Null, output, error, interrupts);
        var serving = BeamTool.RunAsync(
            ["engine", "serve", Tool.TinyGemma, "--port", "0", "--api-key", "secret", "--served-model-name", "capitals", "other", "--max-model-len", "512", "--no-enable-prefix-caching", "--tensor-parallel-size", "1",
                "--no-async-scheduling", "--stream-interval", "2", "--enable-request-id-headers", "--enable-force-include-usage", "--generation-config", "vllm", "--kv-cache-memory-bytes", "64M",
                "--disable-fastapi-docs", "--max-log-len", "100", "--allowed-methods", "[\"*\"]", "-tp", "1"], host);
        var first = await Task.WhenAny(serving, output.Line);
        Assert.That(first, Is.EqualTo((Task)output.Line), error.ToString());
        var line = await output.Line;
        Assert.That(line, Does.StartWith("Serving capitals (max_model_len 512) at http://127.0.0.1:"));
        using (var client = new HttpClient { BaseAddress = new Uri(line.Split(' ')[^1]) })
        {
            Assert.That((await client.GetAsync("/v1/models")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "secret");
            Assert.That(await client.GetStringAsync("/v1/models"), Does.Contain("\"capitals\"").And.Contain("\"other\""));
            using var content = new StringContent("""{"model": "other", "prompt": "What is the capital of France?", "max_tokens": 32, "temperature": 0}""", Encoding.UTF8, "application/json");
            using var answer = await client.PostAsync("/v1/completions", content);
            Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain("Paris"));
            Assert.That(answer.Headers.Contains("X-Request-Id"));
        }

        interrupts.Interrupt();
        Assert.That(await serving, Is.EqualTo(ExitCode.Success), error.ToString());
        Assert.That(error.ToString(), Does.Contain("kernels").And.Contain("max_model_len 512, speculative decoding off"));
        Assert.That(error.ToString(), Does.Match(@"127\.0\.0\.1 POST /v1/completions 200 in [0-9.]+ s, \d+ prompt \+ \d+ output tokens\r?\n").And.Contain("GET /v1/models 401"));
    }

    [Test]
    public async Task Without_a_model_there_is_nothing_to_serve_and_an_option_may_name_it()
    {
        var none = await Tool.RunAsync("engine", "serve", "--max-num-seqs", "4");
        Assert.That((none.ExitCode, none.Error), Is.EqualTo((ExitCode.Usage, $"beam: Required argument 'MODEL' missing for command: 'serve'. See 'beam engine serve --help'.{Environment.NewLine}")));
        var named = await Tool.RunAsync("engine", "serve", "--model", "no-such-model", "--max-num-seqs", "4");
        Assert.That((named.ExitCode, named.Error.Contains("no-such-model", StringComparison.Ordinal)), Is.EqualTo((ExitCode.Failure, true)), named.Error);
    }

    [TestCase("--max-modl-len=5", "Unknown argument '--max-modl-len'. Did you mean '--max-model-len'?")]
    [TestCase("--max-num-seqs=0", "--max-num-seqs must be in [1, 65536], got 0.")]
    [TestCase("--dtype=half", "--dtype half is for GPUs")]
    [TestCase("--tensor_parallel_size=2", "--tensor_parallel_size cannot be 2 here: the engine")]
    [TestCase("--foo", "Unknown argument '--foo'. See 'beam engine serve --help'.")]
    [TestCase("--no-enable-chunked-prefill", "--enable-chunked-prefill cannot be false here: ")]
    [TestCase("-tp=2", "tensor")]
    [TestCase("--model=other", "MODEL is 'no-such-model' and --model is 'other': give one of them.")]
    [TestCase("--default-chat-template-kwargs=[]", "--default-chat-template-kwargs must be a JSON object")]
    [TestCase("--override-generation-config={\"seed\":1}", "--override-generation-config cannot have seed")]
    [TestCase("--config=x.yaml", "--config cannot be x.yaml here: ")]
    [TestCase("--gpu-memory-utilization=1.5", "--gpu-memory-utilization must be in (0, 1], got 1.5.")]
    [TestCase("--memory_utilization=1.5", "--memory_utilization must be in (0, 1], got 1.5.")]
    [TestCase("--ssl-keyfile=key.pem", "--ssl-keyfile needs --ssl-certfile.")]
    [TestCase("--enable-auto-tool-choice", "requires --tool-call-parser")]
    [TestCase("--tool-call-parser=foo", "must be one of hermes, llama3_json")]
    [TestCase("--port=99999", "[0, 65535]")]
    [TestCase("again", "There is one MODEL")]
    public async Task A_wrong_argument_is_told_before_anything_is_loaded(string argument, string message)
    {
        var result = await Tool.RunAsync("engine", "serve", "no-such-model", argument);
        Assert.That((result.ExitCode, result.Output), Is.EqualTo((ExitCode.Usage, "")));
        Assert.That(result.Error, Does.StartWith("beam: ").And.Contain(message));
    }

    [Test]
    public async Task What_the_engine_finds_while_loading_names_options_as_they_are_typed()
    {
        var result = await Tool.RunAsync("engine", "serve", Tool.TinyGemma, "--max-model-len", "512", "--num-gpu-blocks-override", "4");
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Failure));
        Assert.That(result.Error, Does.Contain("Try increasing --num-gpu-blocks-override or decreasing --max-model-len."));
    }

    [Test]
    public async Task An_address_that_is_taken_is_told()
    {
        using var taken = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var result = await Tool.RunAsync("engine", "serve", Tool.TinyGemma, "--port", $"{port}");
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Failure));
        Assert.That(result.Error, Does.EndWith($"beam: Port {port} of 127.0.0.1 is in use; --port 0 takes a free one.{Environment.NewLine}").And.Not.Contain("   at "));
    }

    [TestCase("--disable-log-requests", "--enable-log-requests")]
    [TestCase("--no-access-log", "--disable_log_requests", "--disable-log-stats")]
    public async Task Requests_need_not_be_logged(params string[] arguments)
    {
        var interrupts = new Interrupts();
        var output = new FirstLine();
        using var error = new StringWriter();
        using var host = new CliHost(TextReader.Null, output, error, interrupts);
        var serving = BeamTool.RunAsync(["engine", "serve", Tool.TinyGemma, "--port", "0", "--num-gpu-blocks-override", "128", .. arguments], host);
        await Task.WhenAny(serving, output.Line);
        Assert.That(output.Line.IsCompleted, error.ToString());
        using (var client = new HttpClient { BaseAddress = new Uri((await output.Line).Split(' ')[^1]) }) await client.GetStringAsync("/v1/models");
        interrupts.Interrupt();
        Assert.That(await serving, Is.EqualTo(ExitCode.Success));
        Assert.That(error.ToString(), Does.Not.Contain("/v1/models"));
    }

    [Test]
    public async Task A_socket_and_a_port_exclude_each_other()
    {
        var result = await Tool.RunAsync("engine", "serve", "no-such-model", "--uds", "x.sock", "--port", "0");
        Assert.That((result.ExitCode, result.Error), Is.EqualTo((ExitCode.Usage, $"beam: --uds and --port exclude each other: the server listens on a socket or on an address.{Environment.NewLine}")));
    }

    private sealed class FirstLine : StringWriter
    {
        private readonly TaskCompletionSource<string> _line = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<string> Line => _line.Task;

        public override Task WriteLineAsync(string? value)
        {
            _line.TrySetResult(value ?? "");
            return Task.CompletedTask;
        }
    }
}
