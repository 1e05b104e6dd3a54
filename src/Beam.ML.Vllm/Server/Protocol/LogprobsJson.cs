using System.Globalization;
using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Writes log probabilities in the shapes that completions and chat have for them.</summary>
internal sealed class LogprobsJson(ServerContext server, bool tokensAsIds)
{
    // JSON has no minus infinity.
    private const float Lowest = -9999;

    private readonly bool _asIds = tokensAsIds || server.Engine.Tokenizer is null;

    /// <summary>The shape of completions: lists of the same length.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="positions">Tokens and their log probabilities; null for the first of a prompt, which nothing comes before.</param>
    /// <param name="offset">Where in the text the first token begins, in characters of Unicode.</param>
    public void WriteCompletion(Utf8JsonWriter json, IEnumerable<(int Id, PositionLogprobs? Logprobs)> positions, int offset)
    {
        var all = positions.Select(p => (p.Logprobs, Text: p.Logprobs is null ? TextOf(p.Id) : TextOf(p.Logprobs.Token))).ToList();
        json.WriteStartObject();
        json.WriteStartArray("text_offset"u8);
        foreach (var (_, text) in all)
        {
            json.WriteNumberValue(offset);
            offset += LengthOf(text);
        }

        json.WriteEndArray();
        json.WriteStartArray("token_logprobs"u8);
        foreach (var (logprobs, _) in all)
        {
            if (logprobs is null) json.WriteNullValue();
            else json.WriteNumberValue(Math.Max(Lowest, logprobs.Token.Logprob));
        }

        json.WriteEndArray();
        json.WriteStartArray("tokens"u8);
        foreach (var (_, text) in all) json.WriteStringValue(text);
        json.WriteEndArray();
        json.WriteStartArray("top_logprobs"u8);
        foreach (var (logprobs, _) in all) WriteTop(json, logprobs);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The length of a text as most clients' languages count it: a character that is a surrogate pair here is one.</summary>
    public static int LengthOf(string text)
    {
        var length = 0;
        foreach (var _ in text.EnumerateRunes()) length++;
        return length;
    }

    /// <summary>The shape of chat: an object for each token.</summary>
    public void WriteChat(Utf8JsonWriter json, IReadOnlyList<PositionLogprobs> positions)
    {
        json.WriteStartObject();
        json.WriteStartArray("content"u8);
        foreach (var position in positions)
        {
            json.WriteStartObject();
            WriteToken(json, position.Token);
            json.WriteStartArray("top_logprobs"u8);
            foreach (var top in position.Top)
            {
                json.WriteStartObject();
                WriteToken(json, top);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>vLLM's <c>prompt_logprobs</c>: an object for each token, by token ids; nothing where they were not asked for.</summary>
    public void WritePrompt(Utf8JsonWriter json, IReadOnlyList<PositionLogprobs?>? positions)
    {
        if (positions is null) return;
        json.WriteStartArray("prompt_logprobs"u8);
        foreach (var position in positions)
        {
            if (position is null)
            {
                json.WriteNullValue();
                continue;
            }

            json.WriteStartObject();
            foreach (var token in position.Top.Prepend(position.Token).DistinctBy(token => token.TokenId))
            {
                json.WriteStartObject(token.TokenId.ToString(CultureInfo.InvariantCulture));
                json.WriteNumber("logprob"u8, Math.Max(Lowest, token.Logprob));
                json.WriteNumber("rank"u8, token.Rank);
                json.WriteString("decoded_token"u8, token.DecodedToken);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteTop(Utf8JsonWriter json, PositionLogprobs? position)
    {
        if (position is null)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartObject();
        // Tokens that look alike are one name; the likelier of them comes first.
        foreach (var (text, logprob) in position.Top.Append(position.Token).Select(token => (TextOf(token), token.Logprob)).DistinctBy(token => token.Item1))
            json.WriteNumber(text, Math.Max(Lowest, logprob));
        json.WriteEndObject();
    }

    private void WriteToken(Utf8JsonWriter json, TokenLogprob token)
    {
        var text = TextOf(token);
        json.WriteString("token"u8, text);
        json.WriteNumber(ChoiceJson.Names.Logprob, Math.Max(Lowest, token.Logprob));
        json.WriteStartArray("bytes"u8);
        foreach (var value in Encoding.UTF8.GetBytes(text)) json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    private string TextOf(TokenLogprob token) => _asIds ? $"token_id:{token.TokenId}" : token.DecodedToken ?? "";

    private string TextOf(int id) => _asIds ? $"token_id:{id}" : server.Engine.Tokenizer!.Decode([id], skipSpecialTokens: false);
}
