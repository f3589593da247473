// A view that fails takes nothing else with it.

import { Component } from "preact";

import { Button } from "./form.jsx";
import { Notice } from "./panel.jsx";

export class Boundary extends Component {
  state = { error: null };

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    console.error(error);
  }

  render() {
    if (!this.state.error) return this.props.children;
    return (
      <Notice kind="error">
        <b>This view has failed.</b> <code>{String(this.state.error)}</code>
        <Button onClick={() => this.setState({ error: null })}>Show it again</Button>
      </Notice>
    );
  }
}
