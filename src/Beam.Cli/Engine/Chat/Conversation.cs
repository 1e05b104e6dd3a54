using Beam.Cli.Hosting;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;

namespace Beam.Cli.Engine.Chat;

/// <summary>What was said so far, and the prompt that it makes. A model without a chat template gets each line as a prompt of its own.</summary>
internal sealed class Conversation(LlmEngine engine, ChatTemplate? template, string? system)
{
    private readonly List<ChatMessage> _messages = system is null ? [] : [new("system", system)];
    private readonly int _kept = system is null ? 0 : 1;

    /// <summary>Whether the model was made for conversations.</summary>
    public bool IsChat => template is not null;

    /// <summary>Messages after the system's.</summary>
    public int Count => _messages.Count - _kept;

    public void Reset() => _messages.RemoveRange(_kept, Count);

    public void Answered(string text)
    {
        if (IsChat) _messages.Add(new ChatMessage("assistant", text));
    }

    /// <summary>Adds what the user said and gives the prompt's tokens; of a conversation that fills the context the oldest exchanges are left out.</summary>
    /// <param name="text">What the user said.</param>
    /// <param name="forgotten">Messages that were left out for good.</param>
    /// <exception cref="InvalidRequestException">The text alone does not fit.</exception>
    public int[] Ask(string text, out int forgotten)
    {
        forgotten = 0;
        var tokenizer = engine.Tokenizer!;
        if (template is null)
        {
            // A system text has no place in a completion but before it.
            return Fitting(tokenizer.Encode(system is null ? text : system + "\n" + text), text);
        }

        _messages.Add(new ChatMessage("user", text));
        try
        {
            while (true)
            {
                var prompt = tokenizer.Encode(template.Render(_messages), addSpecialTokens: false);
                if (prompt.Length < engine.MaxModelLength) return prompt;
                if (Count < 3) return Fitting(prompt, text);
                _messages.RemoveRange(_kept, 2);
                forgotten += 2;
            }
        }
        catch
        {
            _messages.RemoveAt(_messages.Count - 1);
            throw;
        }
    }

    private int[] Fitting(int[] prompt, string text) => prompt.Length < engine.MaxModelLength
        ? prompt
        : throw new InvalidRequestException($"The text of {text.Length} characters makes {prompt.Length} tokens, and the model takes fewer than {engine.MaxModelLength} (max_model_len); shorten it.");
}
