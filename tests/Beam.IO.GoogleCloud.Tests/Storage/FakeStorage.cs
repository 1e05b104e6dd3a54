using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Beam.IO.GoogleCloud.Tests.Storage;

/// <summary>The part of Cloud Storage's JSON API that file systems use, in memory, with a network that fails as it is told to.</summary>
internal sealed class FakeStorage : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, (byte[] Content, long Generation)> _objects = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (string Key, MemoryStream Bytes)> _uploads = new();
    private long _generation;

    private FakeStorage(WebApplication app) => _app = app;

    /// <summary>Objects on a page of a listing.</summary>
    public int PageSize { get; set; } = 3;

    /// <summary>What becomes of a call before it is looked at: a status to answer with, or null.</summary>
    public Func<HttpRequest, int?> Fault { get; set; } = _ => null;

    /// <summary>Bytes of a download after which the connection breaks.</summary>
    public int? BreakDownloadsAfter { get; set; }

    /// <summary>Bytes that the service takes of a chunk at a time.</summary>
    public int? TakeAtMost { get; set; }

    /// <summary>Rewrites that are not done with the first call.</summary>
    public bool SlowRewrites { get; set; }

    public bool MayCreate { get; set; } = true;

    public ConcurrentQueue<string> Calls { get; } = [];

    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/");

    public byte[]? this[string path] => _objects.TryGetValue(path, out var found) ? found.Content : null;

    public IEnumerable<string> Names => _objects.Keys.Order(StringComparer.Ordinal);

    public void Put(string path, byte[] content) => _objects[path] = (content, Interlocked.Increment(ref _generation));

    public static async Task<FakeStorage> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1));
        var app = builder.Build();
        var fake = new FakeStorage(app);
        app.Run(fake.ServeAsync);
        await app.StartAsync();
        return fake;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task ServeAsync(HttpContext http)
    {
        var request = http.Request;
        Calls.Enqueue($"{request.Method} {request.Path}{request.QueryString}");
        if (Fault(request) is { } status)
        {
            await Refuse(http, status, "injected");
            return;
        }

        // Names are escaped in the path, slashes too: the raw target tells them apart.
        var target = http.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget.Split('?')[0];
        var parts = target.Trim('/').Split('/').Select(Uri.UnescapeDataString).ToArray();
        var task = parts switch
        {
            ["storage", "v1", "b", var bucket, "o"] => List(http, bucket),
            ["storage", "v1", "b", var bucket, "o", var name] when request.Method == "GET" => Get(http, $"{bucket}/{name}"),
            ["storage", "v1", "b", var bucket, "o", var name] when request.Method == "DELETE" => Delete(http, $"{bucket}/{name}"),
            ["storage", "v1", "b", var bucket, "o", var name, "rewriteTo", "b", var to, "o", var newName] => Rewrite(http, $"{bucket}/{name}", $"{to}/{newName}"),
            ["storage", "v1", "b", _, "iam", "testPermissions"] => http.Response.WriteAsync(MayCreate ? """{"permissions":["storage.objects.create"]}""" : "{}"),
            ["upload", "storage", "v1", "b", var bucket, "o"] => Upload(http, bucket),
            ["session", var id] => Chunk(http, id),
            _ => Refuse(http, 404, "no such call"),
        };
        await task;
    }

    private async Task List(HttpContext http, string bucket)
    {
        var (prefix, after) = (http.Request.Query["prefix"].ToString(), http.Request.Query["pageToken"].ToString());
        var names = Names.Where(n => n.StartsWith($"{bucket}/{prefix}", StringComparison.Ordinal) && string.CompareOrdinal(n, after) > 0).Take(PageSize + 1).ToArray();
        var page = names.Take(PageSize).Select(n => Describe(n, _objects[n])).ToArray();
        await http.Response.WriteAsJsonAsync(names.Length > PageSize ? new { items = page, nextPageToken = names[PageSize - 1] } : (object)new { items = page });
    }

    private async Task Get(HttpContext http, string key)
    {
        if (!_objects.TryGetValue(key, out var found) || (http.Request.Query["generation"] is [{ } generation] && generation != Text(found.Generation)))
        {
            await Refuse(http, 404, "No such object: " + key);
            return;
        }

        if (http.Request.Query["alt"] != "media")
        {
            await http.Response.WriteAsJsonAsync(Describe(key, found));
            return;
        }

        var from = http.Request.GetTypedHeaders().Range?.Ranges.First().From ?? 0;
        if (http.Request.Headers.Range.Count > 0) http.Response.StatusCode = 206;
        var content = found.Content.AsMemory((int)from);
        http.Response.ContentLength = content.Length;
        if (BreakDownloadsAfter is { } limit && content.Length > limit)
        {
            // Less than was announced: the server closes the connection.
            await http.Response.Body.WriteAsync(content[..limit]);
            return;
        }

        await http.Response.Body.WriteAsync(content);
    }

    private async Task Delete(HttpContext http, string key)
    {
        if (_objects.TryRemove(key, out _)) http.Response.StatusCode = 204;
        else await Refuse(http, 404, "No such object: " + key);
    }

    private async Task Rewrite(HttpContext http, string from, string to)
    {
        if (!_objects.TryGetValue(from, out var found))
        {
            await Refuse(http, 404, "No such object: " + from);
        }
        else if (SlowRewrites && http.Request.Query["rewriteToken"].Count == 0)
        {
            await http.Response.WriteAsync("""{"done":false,"rewriteToken":"go on"}""");
        }
        else
        {
            Put(to, found.Content);
            await http.Response.WriteAsync("""{"done":true}""");
        }
    }

    private async Task Upload(HttpContext http, string bucket)
    {
        var key = $"{bucket}/{http.Request.Query["name"]}";
        if (http.Request.Query["uploadType"] == "media")
        {
            using var content = new MemoryStream();
            await http.Request.Body.CopyToAsync(content);
            Put(key, content.ToArray());
            await http.Response.WriteAsync("{}");
            return;
        }

        var id = Guid.NewGuid().ToString("N");
        _uploads[id] = (key, new MemoryStream());
        http.Response.Headers.Location = $"{Address}session/{id}";
    }

    private async Task Chunk(HttpContext http, string id)
    {
        var (key, bytes) = _uploads[id];
        var range = http.Request.Headers["Content-Range"].ToString()["bytes ".Length..].Split('/');
        using var chunk = new MemoryStream();
        await http.Request.Body.CopyToAsync(chunk);
        if (range[0] != "*")
        {
            var from = long.Parse(range[0].Split('-')[0], CultureInfo.InvariantCulture);
            if (from != bytes.Length)
            {
                await Refuse(http, 400, $"The next byte is {bytes.Length}, not {from}.");
                return;
            }

            bytes.Write(chunk.GetBuffer(), 0, (int)Math.Min(chunk.Length, TakeAtMost ?? chunk.Length));
        }

        if (range[1] == Text(bytes.Length))
        {
            Put(key, bytes.ToArray());
            await http.Response.WriteAsync("{}");
            return;
        }

        http.Response.StatusCode = 308;
        if (bytes.Length > 0) http.Response.Headers.Range = $"bytes=0-{bytes.Length - 1}";
    }

    private static object Describe(string key, (byte[] Content, long Generation) found) =>
        new { name = key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..], size = Text(found.Content.Length), generation = Text(found.Generation) };

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static Task Refuse(HttpContext http, int status, string message)
    {
        http.Response.StatusCode = status;
        return http.Response.WriteAsync(JsonSerializer.Serialize(new { error = new { code = status, message } }));
    }
}
