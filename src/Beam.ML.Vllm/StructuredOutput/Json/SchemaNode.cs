using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>A value of a schema's document with the way to it, read once: what is in it is found without a walk, and what it refers to too.</summary>
internal sealed class SchemaNode
{
    // A path is for errors; names in it may be as long as the document.
    private const int LongestPath = 200;

    private readonly SchemaNode? _parent;
    private readonly string _step;
    private readonly Dictionary<string, SchemaNode>? _properties;
    private readonly Dictionary<string, SchemaNode>? _anchors;

    private SchemaNode(JsonElement json, SchemaNode? parent, string step, Reading reading)
    {
        reading.Work.Charge(1 + step.Length);
        (Json, _parent, _step, Id) = (json, parent, step, reading.Count++);
        Root = parent is null || HasId(json) ? this : parent.Root;
        if (Root == this) _anchors = new(StringComparer.Ordinal);
        if (json.ValueKind == JsonValueKind.Array)
        {
            var items = new List<SchemaNode>(json.GetArrayLength());
            foreach (var item in json.EnumerateArray()) items.Add(new SchemaNode(item, this, items.Count.ToString(System.Globalization.CultureInfo.InvariantCulture), reading));
            Items = items;
        }
        if (json.ValueKind != JsonValueKind.Object) return;
        _properties = new(StringComparer.Ordinal);
        foreach (var property in json.EnumerateObject()) _properties[property.Name] = new SchemaNode(property.Value, this, property.Name, reading);
        if (TryGetProperty("$anchor", out var anchor) && anchor.ValueKind == JsonValueKind.String) Root._anchors!.TryAdd(anchor.Text, this);
    }

    private sealed class Reading(WorkBudget work)
    {
        public WorkBudget Work => work;

        public int Count { get; set; }
    }

    /// <summary>Its place in the order of the document.</summary>
    public int Id { get; }

    public JsonElement Json { get; }

    public JsonValueKind ValueKind => Json.ValueKind;

    /// <summary>What references in it begin at: the document, or the nearest schema around that has an <c>$id</c> of its own.</summary>
    public SchemaNode Root { get; }

    /// <summary>The content of a string.</summary>
    public string Text => Json.GetString()!;

    /// <summary>The values of a list.</summary>
    public IReadOnlyList<SchemaNode> Items { get; } = [];

    /// <summary>The names of an object, each once.</summary>
    public IReadOnlyCollection<string> Names => _properties is null ? [] : _properties.Keys;

    /// <summary>Where it is: a JSON pointer into the document, without its first names if it is long.</summary>
    public string Path
    {
        get
        {
            var path = "";
            var node = this;
            for (; node._parent is not null && path.Length < LongestPath; node = node._parent)
                path = "/" + node._step[..Math.Min(node._step.Length, LongestPath)].Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal) + path;
            return node._parent is null ? path : "/…" + path;
        }
    }

    /// <exception cref="StructuredOutputException">It is not JSON, or not text.</exception>
    public static SchemaNode Read(string json, WorkBudget work)
    {
        if (json.Length > Limits.TextLength) throw new StructuredOutputException($"The JSON schema has {json.Length} characters, and {Limits.TextLength} at most are allowed.");
        work.Charge(json.Length);
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = Limits.Nesting });
            CheckText(json);
            return new SchemaNode(document.RootElement.Clone(), null, "", new Reading(work));
        }
        catch (Exception e) when (e is JsonException or ArgumentException and not StructuredOutputException)
        {
            throw new StructuredOutputException($"The JSON schema is not JSON: {e.Message}", e);
        }
    }

    /// <summary>What an object says under a name; the last one, if it has the name several times.</summary>
    public bool TryGetProperty(string name, out SchemaNode value)
    {
        value = null!;
        return _properties is not null && _properties.TryGetValue(name, out value!);
    }

    /// <summary>What is under a name of an object, or at a number of a list; null if there is nothing.</summary>
    public SchemaNode? Below(string step) => ValueKind switch
    {
        JsonValueKind.Object => _properties!.GetValueOrDefault(step),
        JsonValueKind.Array when int.TryParse(step, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var index) && index < Items.Count => Items[index],
        _ => null,
    };

    /// <summary>The schema that has this anchor, among those that have this one as their root.</summary>
    public SchemaNode? Anchored(string name) => _anchors!.GetValueOrDefault(name);

    // In older drafts one that begins with # is an anchor.
    private static bool HasId(JsonElement json) => json.ValueKind == JsonValueKind.Object && json.TryGetProperty("$id"u8, out var id)
        && id.ValueKind == JsonValueKind.String && id.GetString() is { Length: > 0 } text && text[0] != '#';

    // An escape of half a surrogate pair is JSON, and no text: whoever asks for it later would be in trouble.
    private static void CheckText(string json)
    {
        for (var at = json.IndexOf('\\', StringComparison.Ordinal); at >= 0; at = json.IndexOf('\\', at))
        {
            if (json[at + 1] != 'u')
            {
                at += 2;
                continue;
            }
            var first = Unit(at);
            at += 6;
            if (!char.IsSurrogate(first)) continue;
            if (char.IsHighSurrogate(first) && at + 6 <= json.Length && json[at] == '\\' && json[at + 1] == 'u' && char.IsLowSurrogate(Unit(at))) at += 6;
            else throw new StructuredOutputException($"The JSON schema is not text: \\u{(int)first:x4}, at character {at - 6}, is half of a surrogate pair.");
        }

        char Unit(int escape) => (char)int.Parse(json.AsSpan(escape + 2, 4), System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture);
    }
}
